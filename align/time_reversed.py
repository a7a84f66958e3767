"""AE2's alignment: views match in order of time, and worse when one runs backwards."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from align.soft_dtw import soft_dtw
from align.step import Embeddings, Times, in_order, ordered_view_pairs


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
