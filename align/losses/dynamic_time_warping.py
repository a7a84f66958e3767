"""Losses by soft dynamic time warping: LAV's (Haresh et al. 2021), AE2's (Xue and Grauman 2023).

Soft-DTW is written here because no library fits: tslearn 0.10 copies every batch to the host and
back and depends on numba and statsmodels; pysdtw has stopped at 0.0.5 and needs numba's CUDA.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from align.losses.config import SoftDtwConfig, TimeReversedConfig
from align.losses.pairs import (
    Embeddings,
    Times,
    ViewTimes,
    in_order,
    ordered_view_pairs,
    time_gaps,
    times_of_views,
)

# Cost of cells outside the matrix. Infinity would make gradients NaN; this is far above any path.
_OUTSIDE = 1e8


def soft_dtw(cost: Float[Tensor, "batch rows cols"], gamma: float) -> Float[Tensor, " batch"]:
    """Soft minimum over monotone paths of the sum of their costs (Cuturi and Blondel 2017).

    A path leads from the first cell to the last by steps down, right or both. All cells of an
    anti-diagonal, of all matrices, are computed at once.

    Args:
        cost: Cost of matching row i with column j.
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


def lav(
    z: Embeddings, times: Times | ViewTimes, window: int, config: SoftDtwConfig
) -> Float[Tensor, ""]:
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
    squared: Float[Tensor, "episodes views times times"],
    times: Times | ViewTimes,
    window: int,
    margin: float,
) -> Float[Tensor, ""]:
    """LAV's regulariser: frames of a view near in time lie close, far ones at least `margin` apart.

    Near frames are pulled by their distance, weighted 1 / w, and far ones pushed by what they lack
    of the margin, weighted w = 1 + (gap / window)^2. Each kind is a weighted mean, where LAV takes
    sums, so that the balance of the two does not depend on how many frames a step draws.

    Args:
        squared: Squared distances between the frames of each view.
        times: Time steps of the frames.
        window: Largest gap between near frames, in time steps.
        margin: Distance beyond which far frames are no longer pushed.
    """
    gap = time_gaps(times_of_views(times, squared.shape[1])).to(squared.dtype)
    weight = 1 + (gap / max(window, 1)).square()
    # The root has no gradient at 0, which is a frame's distance from itself.
    distance = squared.clamp(min=1e-12).sqrt()
    far = (gap > window).to(squared.dtype)
    pull, push = (1 - far) / weight, far * weight
    return (pull * distance).sum() / pull.sum() + (push * F.relu(margin - distance)).sum() / (
        push.sum().clamp(min=1)
    )


def time_reversed(
    z: Embeddings, times: Times | ViewTimes, config: TimeReversedConfig
) -> Float[Tensor, ""]:
    """Alignment cost, and a hinge above that of time-reversed negatives (Xue and Grauman 2023).

    Matching frame i of one view with frame j of another costs the negative log of the softmax over
    j of their similarities. The cost of a pair of views is the soft-DTW of that matrix, divided by
    its frames; the second view played backwards should cost more. Averaged over ordered pairs of
    views.
    """
    z, _ = in_order(F.normalize(z, dim=-1), times)
    first, second = ordered_view_pairs(z.shape[1], z.device)
    similarity = torch.einsum("eitd,ejsd->eijts", z, z)[:, first, second].flatten(0, 1)
    cost = -(similarity / config.temperature).log_softmax(dim=-1)
    # Both in one call: its time is that of the loop over anti-diagonals, whatever the batch.
    both = soft_dtw(torch.cat([cost, cost.flip(-1)]), config.gamma) / cost.shape[-1]
    forwards, backwards = both.chunk(2)
    hinge = F.relu(forwards - backwards + config.margin)
    return (forwards + config.weight * hinge).mean()
