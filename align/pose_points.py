"""Keypoints as PAAT sees them, handed on to the embedding: no poses are needed at inference.

This goes beyond the paper, whose PAAT leaves its prediction unused once it is trained. The way from
a map over patches to a place is like TCN's spatial soft-argmax.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

COORDINATES = 3
# Of a keypoint's probabilities taken together: one that is nowhere is put in the middle.
LEAST = 1e-3


def pose_points(
    logits: Float[Tensor, "batch 1 patches keypoints"], rows: int, cols: int
) -> Float[Tensor, "batch keypoints 3"]:
    """Where each keypoint is, and whether it is there at all.

    Args:
        logits: PAAT's, of single images; patches row-major.
        rows: Of patches.
        cols: Of patches.

    Returns:
        (x, y, m): the mean place by PAAT's probabilities, -1 in the middle of the first column or
        row and 1 in that of the last, and how many patches are expected to hold it: 1 or 0.
    """
    probability = rearrange(logits.float(), "b 1 n k -> b k n").sigmoid()
    row, col = torch.meshgrid(_along(rows, logits), _along(cols, logits), indexing="ij")
    places = torch.stack([col.flatten(), row.flatten()], dim=-1).float()
    held = probability.sum(dim=-1, keepdim=True)
    return torch.cat([probability @ places / held.clamp(min=LEAST), held], dim=-1)


class PosePoints(nn.Module):
    """An embedding of the keypoints that PAAT sees: two linear layers, ReLU between.

    Args:
        num_keypoints: That PAAT predicts.
        dim: Width of the embedding, and of the layer between.
    """

    def __init__(self, num_keypoints: int, dim: int) -> None:
        """Make the layers."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(COORDINATES * num_keypoints, dim), nn.ReLU(), nn.Linear(dim, dim)
        )

    def forward(
        self, logits: Float[Tensor, "batch 1 patches keypoints"], rows: int, cols: int
    ) -> Float[Tensor, "batch dim"]:
        """Embed what `pose_points` finds."""
        return self.layers(pose_points(logits, rows, cols).flatten(1))


def _along(count: int, like: Tensor) -> Float[Tensor, " count"]:
    if count == 1:
        return like.new_zeros(1)
    return torch.linspace(-1, 1, count, device=like.device, dtype=like.dtype)
