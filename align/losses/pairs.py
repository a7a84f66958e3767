"""Helpers of all losses: shapes, gaps in time, pairs of views, and means over masks."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from datasets.errors import TooFewViewsError

Embeddings = Float[Tensor, "episodes views times dim"]
Times = Int64[Tensor, "episodes times"]


def time_gaps(times: Times) -> Int64[Tensor, "episodes times times"]:
    """Time steps between any two moments of an episode."""
    return (times[:, :, None] - times[:, None, :]).abs()


def ordered_view_pairs(views: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Indices (pairs,) of the first and the second view of every pair, in both orders.

    Raises:
        ValueError: Fewer than two views.
    """
    if views < 2:
        raise TooFewViewsError("a multi-view loss needs two views or more in a step.")
    i, j = torch.nonzero(~torch.eye(views, dtype=torch.bool, device=device), as_tuple=True)
    return i, j


def in_order(z: Embeddings, times: Times) -> tuple[Embeddings, Times]:
    """Embeddings and times sorted by time, since some samplers draw moments in another order."""
    times, order = times.sort(dim=-1, stable=True)
    return z.gather(2, order[:, None, :, None].expand_as(z)), times


def mean_where(values: Tensor, mask: Tensor) -> Float[Tensor, ""]:
    """Mean over the True entries; 0, with a gradient of 0, when there are none."""
    return (values.nan_to_num(posinf=0, neginf=0) * mask).sum() / mask.sum().clamp(min=1)
