"""Transformers on some patches: exact where all are kept, and blind to those that are not."""

import pytest
import torch
from torch import Tensor

from align.layout import KeptPatchesError
from align.models.config import DisentangleConfig, ModelConfig, PaabConfig, PaatConfig, Trl3dConfig
from align.models.disentangle import Disentangler
from align.models.encoder import FrameEncoder, HeadConfig, SideInputs
from align.models.pose_aware import PoseAware, build_model

SIZE = (64, 96)
# Two images with other patches each, of 4 x 6.
KEPT = torch.tensor([[0, 3, 7, 20], [1, 2, 22, 23]])


def build(name: str = "deit_tiny_patch16_224", **options: object) -> PoseAware:
    torch.manual_seed(0)
    size = (56, 84) if "patch14" in name else SIZE
    return build_model(ModelConfig(name, size, depth=2, num_keypoints=3, **options))  # type: ignore[arg-type]


def make_images(model: PoseAware) -> Tensor:
    rows, cols, (height, width) = model.layout.rows, model.layout.cols, model.patch_size
    return torch.randn(
        2, 3, rows * height, cols * width, generator=torch.Generator().manual_seed(1)
    )


def make_map(model: PoseAware) -> Tensor:
    return torch.rand(2, model.layout.patches, generator=torch.Generator().manual_seed(2)) < 0.3


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["deit_tiny_patch16_224", "vit_small_patch14_reg4_dinov2", "vit_tiny_r_s16_p8_224"],
)
def test_keeping_all_patches_in_order_is_bit_identical(name: str) -> None:
    model = build(name, paab=PaabConfig(), paat=PaatConfig(), readout="class+mean")
    images, pose_map = make_images(model), make_map(model)
    every = torch.arange(model.layout.patches).expand(2, -1)
    whole, kept = model(images, pose_map), model(model.cut(images, every), pose_map, every)
    assert torch.equal(kept.embedding, whole.embedding)
    assert torch.equal(kept.tokens, whole.tokens)
    assert torch.equal(kept.pose_logits[1], whole.pose_logits[1])


@pytest.mark.parametrize("name", ["deit_tiny_patch16_224", "vit_tiny_r_s16_p8_224"])
def test_kept_tokens_have_their_positions_in_the_whole_image(name: str) -> None:
    model = build(name, readout="mean").eval()
    images = make_images(model)
    kept = KEPT % model.layout.patches
    tokens = model.backbone.embed(images)
    rows = zip(tokens, kept, strict=True)
    chosen = torch.stack([torch.cat([row[:1], row[1:][places]]) for row, places in rows])
    expected = model.backbone.norm(model.backbone.blocks(chosen))
    output = model(model.cut(images, kept), kept=kept)
    torch.testing.assert_close(output.tokens, expected)
    torch.testing.assert_close(output.embedding, expected[:, 1:].mean(dim=1))


def test_pixels_of_other_patches_do_not_matter() -> None:
    model = build(readout="class+mean").eval()
    images = make_images(model)
    other = images.clone()
    other[0, :, :16, 16:32] = 9.0  # patch 1, which the first image does not keep
    once, again = (model(model.cut(x, KEPT), kept=KEPT).embedding for x in (images, other))
    assert torch.equal(once, again)
    other[0, :, :16, :16] = 9.0
    assert not torch.equal(once, model(model.cut(other, KEPT), kept=KEPT).embedding)


def test_the_pose_map_goes_with_its_patches() -> None:
    model = build(paab=PaabConfig()).eval()
    cut, pose_map = model.cut(make_images(model), KEPT), torch.zeros(2, 24, dtype=torch.bool)
    plain = model(cut, pose_map, KEPT).tokens
    pose_map[0, 5] = True  # left out
    assert torch.equal(model(cut, pose_map, KEPT).tokens, plain)
    pose_map[0, 7] = True  # the third of the first image
    # Some processors round an image otherwise when its neighbour in the batch has other tokens.
    changed = ((model(cut, pose_map, KEPT).tokens - plain).abs() > 1e-5).any(-1)
    assert changed.nonzero().tolist() == [[0, 0], [0, 3]]


def test_a_map_of_each_keypoint_goes_with_its_patches() -> None:
    model = build(paab=PaabConfig()).eval()
    cut, pose_map = model.cut(make_images(model), KEPT), make_map(model)
    per_keypoint = torch.stack([pose_map, torch.zeros_like(pose_map)], dim=-1)
    flat, channels = model(cut, pose_map, KEPT), model(cut, per_keypoint, KEPT)
    assert torch.equal(flat.tokens, channels.tokens)


def test_paat_predicts_for_the_kept_patches() -> None:
    model = build(paat=PaatConfig())
    output = model(model.cut(make_images(model), KEPT), kept=KEPT)
    assert output.pose_logits[1].shape == (2, 1, 4, 3)


def test_modules_that_need_the_grid_refuse() -> None:
    model = build(trl3d=Trl3dConfig())
    with pytest.raises(KeptPatchesError):
        model(model.cut(make_images(model), KEPT), kept=KEPT)


def test_a_frame_encoder_sees_the_kept_patches_of_frames() -> None:
    encoder = FrameEncoder(build(readout="mean"), HeadConfig()).eval()
    frames = torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8)
    every = torch.arange(24).expand(2, -1)
    assert torch.equal(encoder(frames, SideInputs(kept=every)).embedding, encoder(frames).embedding)
    assert not torch.equal(
        encoder(frames, SideInputs(kept=KEPT)).embedding, encoder(frames).embedding
    )


def test_a_convolutional_network_refuses() -> None:
    network = Disentangler(DisentangleConfig("test_resnet", image=16, channels=64))
    with pytest.raises(KeptPatchesError):
        encoder = FrameEncoder(network, HeadConfig())
        encoder(torch.zeros(2, 3, 64, 96, dtype=torch.uint8), SideInputs(kept=KEPT))
