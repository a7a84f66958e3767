"""Helpers of all losses: shapes, gaps in time, pairs of views, and means over masks."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from datasets.errors import TooFewViewsError

Embeddings = Float[Tensor, "episodes views times dim"]
Times = Int64[Tensor, "episodes times"]
# Unpaired videos stand for the views of an episode, and each has moments of its own.
ViewTimes = Int64[Tensor, "episodes views times"]


def time_gaps(times: Times | ViewTimes) -> Int64[Tensor, "*videos times times"]:
    """Time steps between any two moments of an episode, or of each of its views."""
    return (times[..., :, None] - times[..., None, :]).abs()


def times_of_views(times: Times | ViewTimes, views: int) -> ViewTimes:
    """The time steps of each view, where the views may share them."""
    return times[:, None].expand(-1, views, -1) if times.ndim == 2 else times


def ordered_view_pairs(views: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Indices (pairs,) of the first and the second view of every pair, in both orders.

    Raises:
        ValueError: Fewer than two views.
    """
    if views < 2:
        raise TooFewViewsError("a multi-view loss needs two views or more in a step.")
    i, j = torch.nonzero(~torch.eye(views, dtype=torch.bool, device=device), as_tuple=True)
    return i, j


def in_order(z: Embeddings, times: Times | ViewTimes) -> tuple[Embeddings, ViewTimes]:
    """Embeddings and times sorted by time, since some samplers draw moments in another order."""
    times, order = times_of_views(times, z.shape[1]).sort(dim=-1, stable=True)
    return z.gather(2, order[..., None].expand_as(z)), times


def mean_where(values: Tensor, mask: Tensor) -> Float[Tensor, ""]:
    """Mean over the True entries; 0, with a gradient of 0, when there are none."""
    return (values.nan_to_num(posinf=0, neginf=0) * mask).sum() / mask.sum().clamp(min=1)
