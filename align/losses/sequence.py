"""Losses over whole sequences: soft dynamic time warping (LAV), cycle-consistency, AE2's.

Written here because no library fits: tslearn 0.10 copies every batch to the host and back and
brings numba and statsmodels along, pysdtw has stopped at 0.0.5 and needs numba's CUDA.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from align.losses.pairs import Embeddings, Times, in_order, ordered_view_pairs, time_gaps

# Squared time steps: a return is never surer of its moment than the clock is fine.
LEAST_VARIANCE = 1.0

# Stands for the cost of cells outside the matrix; infinity would make gradients of NaN.
_OUTSIDE = 1e8


@dataclass(frozen=True)
class SoftDtwConfig:
    """LAV's loss: soft-DTW between views, a contrastive regulariser within each."""

    gamma: float = 0.1
    """Softness of the minimum over paths."""
    regularizer: float = 1.0
    """Weight of the regulariser."""
    margin: float = 2.0
    """Distance that far frames of a view should have at least; on a sphere, opposite ones."""


def soft_dtw(cost: Float[Tensor, "batch rows cols"], gamma: float) -> Float[Tensor, " batch"]:
    """Soft minimum over monotone paths of the sum of their costs (Cuturi and Blondel 2017).

    A path leads from the first cell to the last by steps down, right or both. All cells of an
    anti-diagonal, of all matrices, are computed at once.

    Args:
        cost: Of matching row i with column j.
        gamma: Above 0; the smaller, the closer to the hard minimum.
    """
    batch, rows, cols = cost.shape
    row = torch.arange(rows, device=cost.device)
    col = torch.arange(rows + cols - 1, device=cost.device)[:, None] - row
    inside = (col >= 0) & (col < cols)
    skewed = cost[:, row, col.clamp(0, cols - 1)].masked_fill(~inside, _OUTSIDE)
    # Slot i + 1 of a diagonal is row i; slot 0 lies outside.
    outside = cost.new_full((batch, 1), _OUTSIDE)
    before = F.pad(outside, (0, rows), value=_OUTSIDE)
    last = torch.cat([outside, skewed[:, 0]], dim=1)
    for diagonal in skewed.unbind(dim=1)[1:]:
        reached = torch.stack([before[:, :-1], last[:, :-1], last[:, 1:]])
        least = -gamma * torch.logsumexp(-reached / gamma, dim=0)
        before, last = last, torch.cat([outside, diagonal + least], dim=1)
    return last[:, -1]


def lav(z: Embeddings, times: Times, window: int, config: SoftDtwConfig) -> Float[Tensor, ""]:
    """Soft-DTW over every pair of views plus a regulariser within each (Haresh et al. 2021).

    Costs are squared distances of unit vectors, and a path's sum is divided by the frames of both
    views.
    """
    z, times = in_order(F.normalize(z, dim=-1), times)
    first, second = ordered_view_pairs(z.shape[1], z.device)
    one_way = first < second
    squared = 2 - 2 * torch.einsum("eitd,ejsd->eijts", z, z)
    between = squared[:, first[one_way], second[one_way]].flatten(0, 1)
    alignment = soft_dtw(between, config.gamma).mean() / (2 * z.shape[2])
    within = squared.diagonal(dim1=1, dim2=2).movedim(-1, 1)
    return alignment + config.regularizer * contrastive_idm(within, times, window, config.margin)


def contrastive_idm(
    squared: Float[Tensor, "episodes views times times"], times: Times, window: int, margin: float
) -> Float[Tensor, ""]:
    """LAV's regulariser: frames of a view near in time lie close, far ones at least `margin` apart.

    Near frames are pulled by their distance, weighted 1 / w, and far ones pushed by what they lack
    of the margin, weighted w = 1 + (gap / window)^2. Each kind is a weighted mean, where LAV takes
    sums: how many frames a step draws does not change what the two weigh.

    Args:
        squared: Squared distances between the frames of each view.
        times: Their time steps.
        window: Largest gap between near frames, in time steps.
        margin: See above.
    """
    gap = time_gaps(times)[:, None].to(squared.dtype)
    weight = 1 + (gap / max(window, 1)).square()
    # The root has no gradient at 0, where a frame meets itself.
    distance = squared.clamp(min=1e-12).sqrt()
    far = (gap > window).to(squared.dtype).expand_as(squared)
    pull, push = (1 - far) / weight, far * weight
    return (pull * distance).sum() / pull.sum() + (push * F.relu(margin - distance)).sum() / (
        push.sum().clamp(min=1)
    )


@dataclass(frozen=True)
class TccConfig:
    """Cycle-back regression."""

    temperature: float = 0.5
    """Divides the squared distances of unit vectors in both soft searches. At the 0.1 of the
    authors, whose distances are divided by the width too, returns are so sure from the start that
    training from scratch goes astray."""
    variance_weight: float = 0.001
    """Weight of the logarithm of the standard deviation of the moment returned to."""


def tcc(z: Embeddings, times: Times, config: TccConfig) -> Float[Tensor, ""]:
    """Cycle-back regression over every ordered pair of views.

    A frame u_i of one view finds its soft nearest neighbour v among the frames of the other, and v
    a distribution beta over the frames of the first: the moment returned to has mean mu and
    variance s2, and the loss is (t_i - mu)^2 / s2 + weight * log(s2) / 2, in time steps. The
    variance is at least one squared time step, since a distribution on a single frame has none.
    """
    z = F.normalize(z, dim=-1)
    first, second = ordered_view_pairs(z.shape[1], z.device)
    # Squared distances of unit vectors, but for a constant that no softmax sees.
    there = torch.einsum("eitd,ejsd->eijts", z, z)[:, first, second] * 2 / config.temperature
    neighbours = there.softmax(dim=-1) @ z[:, second]
    distance = torch.cdist(neighbours.flatten(0, 1), z[:, first].flatten(0, 1))
    back = rearrange(distance, "(e p) t s -> e p t s", p=len(first)).square()
    beta = (-back / config.temperature).softmax(dim=-1)
    moment = times[:, None, None, :].to(z.dtype)
    mean = (beta * moment).sum(-1, keepdim=True)
    variance = (beta * (moment - mean).square()).sum(-1).clamp(min=LEAST_VARIANCE)
    error = (times[:, None].to(z.dtype) - mean.squeeze(-1)).square()
    return (error / variance + config.variance_weight * variance.log() / 2).mean()


@dataclass(frozen=True)
class TimeReversedConfig:
    """Contrastive soft-DTW with time-reversed negatives."""

    gamma: float = 0.1
    """Softness of the minimum over paths."""
    temperature: float = 0.1
    """Divides the cosine similarities."""
    weight: float = 1.0
    """Of the hinge that compares with the reversed view."""
    margin: float = 0.0
    """By how much, a frame, the reversed view should cost more."""


def time_reversed(z: Embeddings, times: Times, config: TimeReversedConfig) -> Float[Tensor, ""]:
    """Alignment cost, and a hinge above that of time-reversed negatives (Xue and Grauman 2023).

    Matching frame i of one view with frame j of another costs the negative log of the softmax over
    j of their similarities. A pair of views costs the soft-DTW of that matrix, a frame; the second
    view backwards should cost more. Averaged over ordered pairs of views.
    """
    z, _ = in_order(F.normalize(z, dim=-1), times)
    first, second = ordered_view_pairs(z.shape[1], z.device)
    similarity = torch.einsum("eitd,ejsd->eijts", z, z)[:, first, second].flatten(0, 1)
    cost = -(similarity / config.temperature).log_softmax(dim=-1)
    # Both at once: the anti-diagonals are what takes time.
    both = soft_dtw(torch.cat([cost, cost.flip(-1)]), config.gamma) / cost.shape[-1]
    forwards, backwards = both.chunk(2)
    hinge = F.relu(forwards - backwards + config.margin)
    return (forwards + config.weight * hinge).mean()
