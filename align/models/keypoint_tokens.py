"""PAAB on keypoint tokens: the features at each keypoint, its name and its coordinates.

This goes beyond the paper, whose PAAB attends to the patches that hold keypoints and loses their
coordinates. Here, each visible keypoint is one token, so PAAB reads where it lies and what it looks
like.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from timm.layers import Mlp, trunc_normal_
from torch import Tensor, nn

from align.layout import TokenLayout
from align.models.config import LateConfig
from align.models.late_pose import jittered
from align.models.shared_norm import SharedBatchNorm
from align.paab import PoseAwareAttentionBlock


class KeypointTokens(nn.Module):
    """An embedding of keypoints: PAABs over their tokens and a class token, which is read out.

    Args:
        num_keypoints: Keypoints of the skeleton.
        config: Widths, the number of PAABs, and the noise of training.
        dim: Width of the trunk's tokens.
        num_heads: Attention heads of the trunk.
    """

    def __init__(self, num_keypoints: int, config: LateConfig, dim: int, num_heads: int) -> None:
        """Make the layers."""
        super().__init__()
        self.noise = config.noise
        self.features = nn.Linear(dim, dim)
        self.place = Mlp(2, dim, dim)
        self.name = nn.Parameter(torch.zeros(1, num_keypoints, dim))
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        for parameter in (self.name, self.class_token):
            trunc_normal_(parameter, std=0.02)
        self.blocks = nn.ModuleList(
            PoseAwareAttentionBlock(dim, num_heads) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.project = nn.Linear(dim, config.dim)
        self.whiten = SharedBatchNorm(config.dim, affine=False)

    def forward(
        self,
        described: Float[Tensor, "batch keypoints 3"],
        patches: Float[Tensor, "batch dim rows cols"],
    ) -> Float[Tensor, "batch late_dim"]:
        """Embed keypoints.

        Args:
            described: The result of `describe_keypoints`.
            patches: The trunk's patch tokens in their places; no gradient flows into them.
        """
        described = jittered(described, self.noise if self.training else 0)
        place, seen = described[..., :2], described[..., 2] > 0
        # -1 and 1 are the borders of the picture here, as in `describe_keypoints`.
        sampled = F.grid_sample(
            patches.detach().float(), place[:, None], padding_mode="border", align_corners=False
        )
        tokens = self.features(sampled[:, :, 0].transpose(1, 2)) + self.place(place) + self.name
        tokens = torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], dim=1)
        layout = TokenLayout(1, 1, described.shape[1])
        for block in self.blocks:
            tokens = block(tokens, seen[:, None], layout)
        return self.whiten(self.project(self.norm(tokens[:, 0])))
