"""Which phases of a task are taken for which, when frames are matched across views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from align.metrics.alignment import nearest_frames


@dataclass(frozen=True)
class PhaseConfusion:
    """Where the nearest frames in other views lie, over all ordered pairs of views.

    Attributes:
        counts: Frames of the row's phase whose nearest frame is of the column's phase.
        distances: Sum over the frames of a phase of |i - a(i)| / time, see
            `align.metrics.alignment`.
    """

    counts: Int[np.ndarray, "phases phases"]
    distances: Float[np.ndarray, " phases"]

    @property
    def frames(self) -> Int[np.ndarray, " phases"]:
        """Frames of each phase, each counted once for each other view."""
        return self.counts.sum(axis=1)

    @property
    def seen(self) -> list[int]:
        """The phases that have frames."""
        return np.flatnonzero(self.frames).tolist()

    @property
    def errors(self) -> Float[np.ndarray, " phases"]:
        """Mean alignment error of the frames of each phase; NaN for phases without frames."""
        with np.errstate(invalid="ignore"):
            return self.distances / self.frames

    @property
    def kept(self) -> float:
        """Share of all frames whose nearest frame is of their own phase."""
        return float(np.trace(self.counts) / self.counts.sum())


def phase_confusion(
    episodes: Iterable[tuple[Mapping[str, Float[Tensor, "time dim"]], UInt8[np.ndarray, " time"]]],
    count: int,
) -> PhaseConfusion:
    """The confusion of phases over episodes, each frame counting once for each other view.

    Args:
        episodes: Embeddings of each view of an episode, and the phase of each time step.
        count: Number of phases.
    """
    counts, sums = np.zeros((count, count), np.int64), np.zeros(count)
    for views, phases in episodes:
        for first, second in combinations(views, 2):
            for picked in nearest_frames(views[first], views[second]):
                there = picked.cpu().numpy()
                np.add.at(counts, (phases, phases[there]), 1)
                away = np.abs(there - np.arange(len(there))) / len(there)
                sums += np.bincount(phases, away, minlength=count)
    return PhaseConfusion(counts, sums)
