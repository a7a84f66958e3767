"""Keypoints' places as coordinates, and their embedding.

This goes beyond the paper: a pose map tells PAAB where to attend, and these coordinates tell the
embedding where the keypoints are.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

# Numbers per keypoint: x, y and how many patches are expected to hold it.
COORDINATES = 3
# Least sum of a keypoint's probabilities to divide by: one that is nowhere is put in the middle.
_LEAST_MASS = 1e-3


def pose_points(
    held: Float[Tensor, "batch patches keypoints"], rows: int, cols: int
) -> Float[Tensor, "batch keypoints 3"]:
    """Place of each keypoint, and whether it is there at all.

    Args:
        held: How likely each patch, row-major, holds each keypoint: PAAT's probabilities, or
            `align.pose.soft_pose_map`, of which this is the inverse.
        rows: Rows of patches.
        cols: Columns of patches.

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
    return torch.cat([held @ places / mass.clamp(min=_LEAST_MASS), mass], dim=-1)


class PosePoints(nn.Module):
    """An embedding of keypoints' places: two linear layers, ReLU between.

    Args:
        num_keypoints: Keypoints of the skeleton.
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
        """Embed the result of `pose_points`."""
        return self.layers(pose_points(held, rows, cols).flatten(1))


def positions_along(count: int, like: Tensor) -> Float[Tensor, " count"]:
    """Positions of columns or rows from -1, the first, to 1, the last; a single one is at 0."""
    if count == 1:
        return like.new_zeros(1)
    return torch.linspace(-1, 1, count, device=like.device, dtype=like.dtype)
