"""Which phases of a task are taken for which, when frames are matched across views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from align.metrics.alignment import EGO_ERROR, THIRD_ERROR, nearest_frames
from datasets.storage.episode_file import EGO


@dataclass(frozen=True)
class PhaseConfusion:
    """Where the nearest frames in other views lie, over ordered pairs of views.

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


def phase_confusions(
    episodes: Iterable[tuple[Mapping[str, Float[Tensor, "time dim"]], UInt8[np.ndarray, " time"]]],
    count: int,
) -> dict[str, PhaseConfusion]:
    """The confusions of phases over episodes, each frame counting once for each other view.

    Args:
        episodes: Embeddings of each view of an episode, and the phase of each time step.
        count: Number of phases.

    Returns:
        The confusion over the pairs with and without the first-person view, by the names of their
        alignment errors, as `align.metrics.alignment.view_errors` has them.
    """
    found: dict[str, PhaseConfusion] = {}
    for views, phases in episodes:
        for first, second in combinations(views, 2):
            kind = EGO_ERROR if EGO in (first, second) else THIRD_ERROR
            if kind not in found:
                found[kind] = PhaseConfusion(np.zeros((count, count), np.int64), np.zeros(count))
            for picked in nearest_frames(views[first], views[second]):
                there = picked.cpu().numpy()
                np.add.at(found[kind].counts, (phases, phases[there]), 1)
                away = np.abs(there - np.arange(len(there))) / len(there)
                found[kind].distances[:] += np.bincount(phases, away, minlength=count)
    return {kind: found[kind] for kind in (EGO_ERROR, THIRD_ERROR) if kind in found}
