"""Plug PAAB and PAAT into your own vision transformer, train a step, and embed frames.

    python examples/own_backbone.py --vit vit_small_patch16_224 --image-size 112

The transformer is one of timm's by name. For an object of your own, of a class that derives from
timm's, write TimmBackbone(object) instead; it can have any weights. The frames here are random:
replace them with yours, and the keypoints with those of the body that they show.
"""

from __future__ import annotations

import torch

from align.losses import contrastive
from align.models.backbones import create_timm_backbone
from align.models.pose_aware import PaabConfig, PaatConfig, PoseAware
from align.paat import mean_pose_loss
from align.pose import pose_map_3d
from datasets.command import command, parse


def main(
    vit: str = "vit_tiny_patch16_224", image_size: int = 64, keypoints: int = 17, seed: int = 0
) -> None:
    """Wrap, train, embed.

    Args:
        vit: Name of a vision transformer in timm.
        image_size: Height and width of the frames in pixels, a multiple of the patch.
        keypoints: Number of keypoints of the body.
        seed: Seed of weights and frames.
    """
    torch.manual_seed(seed)
    backbone = create_timm_backbone(vit, image_size)
    model = PoseAware(backbone, PaabConfig(), PaatConfig(), num_keypoints=keypoints)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    views, times = 2, 4  # of one episode
    frames = torch.randn(views * times, 3, image_size, image_size)  # normalised for your weights
    points = torch.rand(len(frames), keypoints, 2) * image_size  # pixels, x right and y down
    p3d = pose_map_3d(points, (image_size, image_size), model.patch_size[0])
    p2d = p3d.any(-1)

    output = model(frames, p2d)
    z = output.embedding.reshape(1, views, times, -1)
    aligned = contrastive(z, torch.arange(times)[None], window=1, temperature=0.1, sigma=1.0)
    auxiliary = mean_pose_loss(output.pose_logits, p3d.unsqueeze(1), "patch_sum")
    (aligned + 1.6 * auxiliary).backward()
    optimizer.step()
    print(f"contrastive loss {aligned:.3f}, PAAT's loss {auxiliary:.3f}")

    model.eval()  # PAAT costs nothing at inference; PAAB still needs the pose map
    with torch.no_grad():
        embedding = model(frames, p2d).embedding
    print(f"embeddings {tuple(embedding.shape)}, one per frame")


if __name__ == "__main__":
    with command():
        parse(main, "python examples/own_backbone.py")
