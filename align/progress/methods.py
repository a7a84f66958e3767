"""Methods that read the progress of a video off references.

- nearest: of each reference the moment whose embedding is nearest; the mean of their shares of the
  references' durations, over the few references that come nearest.
- dtw: dynamic time warping onto each reference from its first frame on, ending anywhere in it, so
  that a video that stops half-way is not taken to the end. It never goes back in time.
- goal: XIRL's distance to the mean embedding of the references' last frames, scaled so that their
  first frames are at 0 and their last frames at 1.

Each has an offline form, which knows the whole video, and a causal form, which is given one frame
at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from align.metrics.alignment import distances, row_blocks
from align.metrics.decoding import warp
from align.progress.options import METHODS, Method, ReadingConfig
from align.progress.references import References, Video
from datasets.errors import require_known

Progress = Float[np.ndarray, " time"]
# Takes a video's frames one after another, (1, dim), and returns the progress at each.
Follow = Callable[[Float[Tensor, "1 dim"]], float]


class Reading(Protocol):
    """Reads progress off references, given videos that are placed among them."""

    def whole(self, video: Video) -> Progress:
        """Progress at each frame of a whole video."""
        ...

    def begin(self) -> Follow:
        """Begins a video whose frames come one at a time."""
        ...


class Nearest:
    """The nearest moments of the nearest references; a frame's progress depends on it alone."""

    def __init__(self, references: Sequence[Video], count: int) -> None:
        """Keeps the references.

        Args:
            references: Placed as the videos will be.
            count: References that are averaged; all where there are fewer.
        """
        self._all = torch.cat(list(references))
        self._lengths = [len(video) for video in references]
        self._count = min(count, len(references))

    def whole(self, video: Video) -> Progress:
        """Progress at each frame of a whole video."""
        return np.concatenate(
            [self._read(video[rows]) for rows in row_blocks(len(video), len(self._all))]
        )

    def begin(self) -> Follow:
        """Begins a video whose frames come one at a time."""
        return lambda frame: float(self._read(frame)[0])

    def _read(self, frames: Video) -> Progress:
        each = distances(frames, self._all).split(self._lengths, dim=1)
        least = torch.stack([distance.min(dim=1).values for distance in each], dim=1)
        share = torch.stack([d.argmin(dim=1) / (d.shape[1] - 1) for d in each], dim=1)
        chosen = least.topk(self._count, dim=1, largest=False).indices
        return share.gather(1, chosen).mean(dim=1).double().numpy()


class Goal:
    """The distance to the references' mean last frame, as in XIRL (Zakka et al. 2021)."""

    def __init__(self, references: Sequence[Video]) -> None:
        """Measures the references, which must be placed as the videos will be."""
        first, last = (torch.stack([video[i] for video in references]) for i in (0, -1))
        self._goal = last.mean(dim=0, keepdim=True)
        self._far, self._near = (distances(z, self._goal).mean() for z in (first, last))

    def whole(self, video: Video) -> Progress:
        """Progress at each frame of a whole video."""
        left = distances(video, self._goal)[:, 0] - self._near
        # References that end as they begin tell nothing: all progress is then 0.
        way = self._far - self._near
        share = 1 - left / way if way > 0 else torch.zeros_like(left)
        return share.clamp(0, 1).double().numpy()

    def begin(self) -> Follow:
        """Begins a video whose frames come one at a time."""
        return lambda frame: float(self.whole(frame)[0])


class Warping:
    """Dynamic time warping onto each reference, which may end before the reference does."""

    def __init__(self, references: Sequence[Video], count: int) -> None:
        """Keeps the references; the arguments are those of `Nearest`."""
        self._all = torch.cat(list(references))
        lengths = np.array([len(video) for video in references])
        self._last = lengths - 1
        # All references are warped at once; shorter ones are filled up.
        self._held = np.arange(lengths.max()) < lengths[:, None]
        self._count = min(count, len(references))

    def whole(self, video: Video) -> Progress:
        """Progress at each frame of a whole video; it never falls."""
        size = len(self._held), len(video), self._held.shape[1]
        # No path enters the columns that fill up.
        picks, mean = warp(lambda rows: self._costs(video[rows], np.inf), *size, open_end=True)
        chosen = np.argsort(mean, kind="stable")[: self._count]
        return (picks[chosen] / self._last[chosen, None]).mean(axis=0)

    def begin(self) -> Follow:
        """Begins a video: each frame's progress is where the best path ends that leads to it."""
        above = np.full((len(self._held), self._held.shape[1] + 1), np.inf)
        above[:, 0] = 0
        row = 0

        def follow(frame: Float[Tensor, "1 dim"]) -> float:
            nonlocal above, row
            total = next_totals(self._costs(frame, 0.0)[:, 0], above)
            above, row = np.pad(total, ((0, 0), (1, 0)), constant_values=np.inf), row + 1
            mean = np.where(self._held, total / (row + np.arange(1, total.shape[1] + 1)), np.inf)
            chosen = np.argsort(mean.min(axis=1), kind="stable")[: self._count]
            return float((mean.argmin(axis=1) / self._last)[chosen].mean())

        return follow

    def _costs(self, frames: Video, filling: float) -> Float[np.ndarray, "references rows columns"]:
        """Distances of frames from each reference's frames, filled up to one length."""
        cost = np.full((len(frames), *self._held.shape), filling)
        cost[:, self._held] = distances(frames, self._all).double().numpy()
        return cost.transpose(1, 0, 2)


def next_totals(
    cost: Float[np.ndarray, "references columns"],
    above: Float[np.ndarray, "references columns+1"],
) -> Float[np.ndarray, "references columns"]:
    """Least total costs of the warping paths to each cell of a row.

    They are those of `align.metrics.decoding`, for a video whose rows come one at a time.

    Args:
        cost: Distances of the row's frame.
        above: Totals of the row before, after a column that paths begin in.
    """
    entered = np.minimum(above[:, 1:] + cost, above[:, :-1] + 2 * cost)
    # A move along the row adds the costs between two columns, so the best column to come from has
    # the least total before the sum of its costs.
    passed = np.cumsum(cost, axis=1)
    return passed + np.minimum.accumulate(entered - passed, axis=1)


def reading(method: Method, references: Sequence[Video], config: ReadingConfig) -> Reading:
    """A method by name.

    Args:
        method: Its name.
        references: Placed as the videos will be.
        config: Its options.

    Raises:
        UnknownNameError: When there is no such method.
    """
    require_known("method", method, METHODS)
    match method:
        case "nearest":
            return Nearest(references, config.nearest)
        case "dtw":
            return Warping(references, config.nearest)
        case "goal":
            return Goal(references)


def offline_progress(
    raw: Video, references: References, method: Method, config: ReadingConfig
) -> Progress:
    """Progress of a whole video, each of whose frames is judged by all of them.

    Args:
        raw: Embeddings before `FrameEncoder.compare`.
        references: The demonstrations.
        method: Name of the method.
        config: Its options.
    """
    chosen = reading(method, references.offline, config)
    return chosen.whole(references.place_offline(raw))


def causal_progress(
    raw: Video, references: References, method: Method, config: ReadingConfig
) -> Progress:
    """Progress of a video, each of whose frames is judged by those up to it; see above."""
    follow = reading(method, references.causal, config).begin()
    placed = references.place(raw, raw[0])
    return np.array([follow(frame[None]) for frame in placed])
