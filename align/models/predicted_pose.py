"""Pose maps as PAAT predicts them, for a PAAB that needs no poses at inference.

This goes beyond the paper, whose PAAB takes the pose map from a pose estimator at inference too.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from align.models.config import PoseFreeConfig

COORDINATES = 3
# Of a keypoint's probabilities taken together: one that is nowhere is put in the middle.
LEAST = 1e-3


def pose_points(
    held: Float[Tensor, "batch patches keypoints"], rows: int, cols: int
) -> Float[Tensor, "batch keypoints 3"]:
    """Where each keypoint is, and whether it is there at all.

    Args:
        held: How likely each patch, row-major, holds each keypoint: PAAT's probabilities, or
            `align.pose.soft_pose_map`, of which this is the inverse.
        rows: Of patches.
        cols: Of patches.

    Returns:
        (x, y, m): the mean place, -1 in the middle of the first column or row and 1 in that of the
        last, and how many patches are expected to hold the keypoint: 1 or 0.
    """
    held = rearrange(held.float(), "b n k -> b k n")
    row, col = torch.meshgrid(
        positions_along(rows, held), positions_along(cols, held), indexing="ij"
    )
    places = torch.stack([col.flatten(), row.flatten()], dim=-1)
    mass = held.sum(dim=-1, keepdim=True)
    return torch.cat([held @ places / mass.clamp(min=LEAST), mass], dim=-1)


class PosePoints(nn.Module):
    """An embedding of where keypoints are: two linear layers, ReLU between.

    Args:
        num_keypoints: Of the skeleton.
        dim: Width of the embedding, and of the layer between.
    """

    def __init__(self, num_keypoints: int, dim: int) -> None:
        """Make the layers."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(COORDINATES * num_keypoints, dim), nn.ReLU(), nn.Linear(dim, dim)
        )

    def forward(
        self, held: Float[Tensor, "batch patches keypoints"], rows: int, cols: int
    ) -> Float[Tensor, "batch dim"]:
        """Embed what `pose_points` finds."""
        return self.layers(pose_points(held, rows, cols).flatten(1))


def positions_along(count: int, like: Tensor) -> Float[Tensor, " count"]:
    """From -1, the first of so many columns or rows, to 1, the last; a single one is at 0."""
    if count == 1:
        return like.new_zeros(1)
    return torch.linspace(-1, 1, count, device=like.device, dtype=like.dtype)


def predicted_map(
    logits: Float[Tensor, "batch frames patches keypoints"], config: PoseFreeConfig
) -> Bool[Tensor, "batch frames patches"]:
    """The P2D map that PAAT's logits, P3D or P2D, stand for; no gradient flows through it."""
    probability = any_keypoint(logits.detach())
    if config.top_k is None:
        return probability >= config.threshold
    count = min(config.top_k, probability.shape[-1])
    likeliest = probability.topk(count, dim=-1).indices
    return torch.zeros_like(probability, dtype=torch.bool).scatter(-1, likeliest, True)


def any_keypoint(
    logits: Float[Tensor, "batch frames patches keypoints"],
) -> Float[Tensor, "batch frames patches"]:
    """Probability that a patch holds any keypoint, each being there independently of the rest."""
    return -torch.expm1(F.logsigmoid(-logits.float()).sum(dim=-1))


def mixed_map(
    given: Bool[Tensor, "batch frames patches"],
    predicted: Bool[Tensor, "batch frames patches"],
    mix: float,
) -> Bool[Tensor, "batch frames patches"]:
    """The predicted map with probability `mix`, image by image, else the given one.

    Draws from the global generator, as dropout does.
    """
    if not mix:
        return given
    drawn = torch.rand(len(given), 1, 1, device=given.device) < mix
    return torch.where(drawn, predicted, given)
