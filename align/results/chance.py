"""Reference values of the metrics: what perfect, random and collapsed embeddings reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
from jaxtyping import UInt8

from align.metrics.alignment import METRICS
from align.metrics.decoding import chance_errors
from align.metrics.phases import PHASE_METRICS
from align.metrics.unpaired import (
    AP,
    DIRECTIONS,
    F1,
    ORDER,
    PROGRESSION,
    RETRIEVED,
    average_precision,
)
from align.results.statistics import mean
from datasets.episodes import EpisodeDataset

# Two independent uniform times lie a third of an episode apart on average.
RANDOM_ERROR = 1 / 3
RANDOM_LABEL = "random, about"
# Under random matching, later and earlier matches are equally frequent, so τ is 0.
RANDOM = dict(zip(METRICS, (RANDOM_ERROR, RANDOM_ERROR, 0.0, 0.0), strict=True))
PERFECT = dict(zip(METRICS, (0.0, 0.0, 1.0, 1.0), strict=True))


def reference_rows(lengths: Sequence[int] = ()) -> dict[str, dict[str, float]]:
    """Label to value of each of METRICS for perfect, random and collapsed embeddings.

    Args:
        lengths: Time steps of the test episodes; without them, the row of collapsed embeddings,
            whose error depends on the length, is left out.
    """
    rows = {"perfect": PERFECT, RANDOM_LABEL: RANDOM}
    if lengths:
        # Every frame is matched with the first one, at a distance of (l - 1) / 2 on average.
        error = mean((length - 1) / (2 * length) for length in lengths)
        rows["collapsed to a point"] = dict(
            zip(METRICS, (error, error, -1.0, math.nan), strict=True)
        )
    return rows


def chance_of(data: EpisodeDataset) -> dict[str, float]:
    """All metrics of random embeddings on the episodes of a split."""
    phases = [data.phases(i) for i in range(len(data))]
    if data.meta.viewpoints:
        return unpaired_chance(phases, [str(data.viewpoint(i)) for i in range(len(data))])
    return {**alignment_chance(data.lengths), **phase_chance(phases)}


def alignment_chance(lengths: Sequence[int]) -> dict[str, float]:
    """The alignment metrics of random embeddings, for all kinds of views and decodings.

    Args:
        lengths: Time steps of the test episodes.
    """
    kinds = dict.fromkeys(("alignment_error_ego", "alignment_error_third"), RANDOM_ERROR)
    return {**RANDOM, **kinds, **chance_errors(lengths)}


def phase_chance(phases: Sequence[UInt8[np.ndarray, " time"]]) -> dict[str, float]:
    """The phase metrics of embeddings without information, within and across views.

    F1 is that of naming the most frequent phase everywhere, R² that of predicting the mean, and
    average precision the probability that two random frames have the same phase.

    Args:
        phases: Phase of each time step of each test episode.
    """
    _, counts = np.unique(np.concatenate(phases), return_counts=True)
    shares = counts / counts.sum()
    most = float(shares.max())
    # Precision is the share itself and recall is 1; all other phases have an F1 of 0.
    f1 = most * 2 * most / (1 + most)
    same = float(np.square(shares).sum())
    values = {
        name: f1 if name.startswith("phase_f1") else 0.0 if name == "phase_r2" else same
        for name in PHASE_METRICS
    }
    return {f"{prefix}{name}": v for name, v in values.items() for prefix in ("", "across_")}


def unpaired_chance(
    phases: Sequence[UInt8[np.ndarray, " time"]], viewpoints: Sequence[str]
) -> dict[str, float]:
    """The measures of unpaired videos for embeddings without information; see `phase_chance`.

    Average precision is that of ten draws from the frames that are searched.

    Args:
        phases: Phase of each frame of each test video.
        viewpoints: Viewpoint of each.
    """
    values = {PROGRESSION: 0.0, ORDER: 0.0}
    for ending, ends in DIRECTIONS.items():
        asked, searched = (
            [p for p, view in zip(phases, viewpoints, strict=True) if end in (None, view)]
            for end in ends
        )
        if asked and searched:
            values[F1 + ending] = phase_chance(searched)["phase_f1"]
            values[AP + ending] = _drawn_precision(np.concatenate(asked), np.concatenate(searched))
    return values


def _drawn_precision(asked: np.ndarray, searched: np.ndarray) -> float:
    """Expected average precision of RETRIEVED frames that are drawn with repeats."""
    hits = np.array(list(product((0, 1), repeat=RETRIEVED)))
    count, precision = hits.sum(axis=1), average_precision(hits)
    total = 0.0
    for phase, frames in zip(*np.unique(asked, return_counts=True), strict=True):
        p = float((searched == phase).mean())
        total += frames * float((p**count * (1 - p) ** (RETRIEVED - count) * precision).sum())
    return total / len(asked)
