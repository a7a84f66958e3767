"""Metrics of how well two views of an episode align in time, from distances of frame embeddings.

Every metric starts from z1, z2 (time, dim): the embeddings of two synchronized views. a(i) is the
frame of the second view nearest to frame i of the first, b(j) the nearest one back. The first of
equally near frames counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from jaxtyping import Float, Int64
from scipy.stats import kendalltau
from torch import Tensor

from datasets.errors import TooFewViewsError
from datasets.storage.episode_file import EGO

EGO_ERROR, THIRD_ERROR = "alignment_error_ego", "alignment_error_third"

METRICS = ("alignment_error", "cycle_error", "kendalls_tau", "kendalls_tau_b")
# Distances held at once. With the arrays made from them, that is under 0.25 GB, however long
# the episode is.
BLOCK = 2**22


def distances(
    z1: Float[Tensor, "time1 dim"], z2: Float[Tensor, "time2 dim"]
) -> Float[Tensor, "time1 time2"]:
    """Euclidean distances between all frames of two views.

    Differences are squared directly, not through a matrix product, whose rounding would hide the
    small distances that decide between neighbouring frames and break the ties of equal frames.
    """
    return torch.cdist(z1.float(), z2.float(), compute_mode="donot_use_mm_for_euclid_dist")


def alignment_error(z1: Float[Tensor, "time dim"], z2: Float[Tensor, "time dim"]) -> float:
    """Mean of |i - a(i)| / time (TCN; paper section 4.1): 0 is perfect, random about 1/3."""
    return _alignment_error(nearest_frames(z1, z2)[0])


def cycle_error(z1: Float[Tensor, "time dim"], z2: Float[Tensor, "time dim"]) -> float:
    """Mean of |i - b(a(i))| / time: how far there and back leads from the same frame."""
    return _cycle_error(*nearest_frames(z1, z2))


def kendalls_tau(z1: Float[Tensor, "time dim"], z2: Float[Tensor, "time dim"]) -> float:
    """Kendall's tau in 3DTRL's form: a pair i < j is concordant only if a(i) < a(j) strictly.

    All other pairs, ties included, are discordant, so collapsed embeddings give -1.
    """
    return _kendalls_tau(nearest_frames(z1, z2)[0])


def kendalls_tau_b(z1: Float[Tensor, "time dim"], z2: Float[Tensor, "time dim"]) -> float:
    """Kendall's tau-b of i against a(i) (AE2, CARL), corrected for ties; NaN if all frames tie."""
    return _kendalls_tau_b(nearest_frames(z1, z2)[0])


def pair_metrics(z1: Float[Tensor, "time dim"], z2: Float[Tensor, "time dim"]) -> dict[str, float]:
    """All of METRICS for one pair of views, whose distances are computed once."""
    there, back = nearest_frames(z1, z2)
    return {
        "alignment_error": _alignment_error(there),
        "cycle_error": _cycle_error(there, back),
        "kendalls_tau": _kendalls_tau(there),
        "kendalls_tau_b": _kendalls_tau_b(there),
    }


@dataclass(frozen=True)
class PairResult:
    """Metrics of one pair of views of one episode."""

    episode: str
    view1: str
    view2: str
    metrics: Mapping[str, float]


def episode_metrics(
    episode: str, embeddings: Mapping[str, Float[Tensor, "time dim"]]
) -> list[PairResult]:
    """Metrics of every pair of views i < j of one episode, in the order of `embeddings`."""
    return [
        PairResult(episode, view1, view2, pair_metrics(embeddings[view1], embeddings[view2]))
        for view1, view2 in combinations(embeddings, 2)
    ]


def mean_metrics(results: Sequence[PairResult]) -> dict[str, float]:
    """Each metric's mean over pairs of views and episodes; a NaN (all ties) does not count."""
    if not results:
        raise TooFewViewsError(
            "no pair of views to average over: evaluation needs two views or more."
        )
    names = results[0].metrics
    return {name: _mean(result.metrics[name] for result in results) for name in names}


def _mean(values: Iterable[float]) -> float:
    finite = [value for value in values if not math.isnan(value)]
    return sum(finite) / len(finite) if finite else math.nan


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Consecutive rows of a matrix, in blocks of at most BLOCK cells and at least one row."""
    block = max(1, BLOCK // columns)
    for start in range(0, rows, block):
        yield slice(start, min(start + block, rows))


def nearest_frames(
    z1: Float[Tensor, "time dim"], z2: Float[Tensor, "time dim"]
) -> tuple[Int64[Tensor, " time"], Int64[Tensor, " time"]]:
    """For each frame of the first view a(i), and for each frame of the second view b(j).

    Raises:
        ValueError: When a view is empty, or the views differ in length.
    """
    if len(z1) != len(z2) or not len(z1):
        raise ValueError(
            f"views must be of one length and not empty, got {len(z1)} and {len(z2)} frames."
        )
    there = []
    back = torch.zeros(len(z2), dtype=torch.int64, device=z1.device)
    least = torch.full((len(z2),), torch.inf, device=z1.device)
    for rows in row_blocks(len(z1), len(z2)):
        block = distances(z1[rows], z2)
        there.append(block.argmin(dim=1))
        row = block.argmin(dim=0)
        value = block.gather(0, row[None])[0]
        nearer = value < least  # strictly, so that the first of equally near frames stays
        back[nearer], least[nearer] = row[nearer] + rows.start, value[nearer]
    return torch.cat(there), back


def nearest_distance(z1: Float[Tensor, "time1 dim"], z2: Float[Tensor, "time2 dim"]) -> float:
    """Mean distance from a frame of the first view to the nearest frame of the second."""
    blocks = (distances(z1[rows], z2).amin(dim=1) for rows in row_blocks(len(z1), len(z2)))
    return torch.cat(list(blocks)).double().mean().item()


def mean_nearest_distance(
    episodes: Iterable[Mapping[str, Float[Tensor, "time dim"]]],
) -> float:
    """The mean of `nearest_distance` over the pairs of views i < j of episodes."""
    return _mean(
        nearest_distance(views[view1], views[view2])
        for views in episodes
        for view1, view2 in combinations(views, 2)
    )


def _alignment_error(there: Int64[Tensor, " time"]) -> float:
    time = torch.arange(len(there), device=there.device)
    return ((there - time).abs().double().mean() / len(there)).item()


def _cycle_error(there: Int64[Tensor, " time"], back: Int64[Tensor, " time"]) -> float:
    return _alignment_error(back[there])


def _kendalls_tau(there: Int64[Tensor, " time"]) -> float:
    length = len(there)
    pairs = length * (length - 1) / 2
    if pairs == 0:
        return math.nan
    concordant = sum(
        (there[rows, None] < there[None, :]).triu(diagonal=1 + rows.start).sum().item()
        for rows in row_blocks(length, length)
    )
    return (2 * concordant - pairs) / pairs


def _kendalls_tau_b(there: Int64[Tensor, " time"]) -> float:
    return float(kendalltau(range(len(there)), there.tolist()).statistic)


def view_errors(pairs: Sequence[PairResult]) -> dict[str, float]:
    """Mean alignment errors of the pairs with and without the first-person view, if any exist."""
    with_ego = [pair for pair in pairs if EGO in (pair.view1, pair.view2)]
    third = [pair for pair in pairs if EGO not in (pair.view1, pair.view2)]
    kinds = {EGO_ERROR: with_ego, THIRD_ERROR: third}
    return {name: mean_metrics(some)["alignment_error"] for name, some in kinds.items() if some}
