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
from align.metrics.decoding import dtw_picks_and_costs
from align.progress.options import Method, ReadingConfig
from align.progress.references import References, Video

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
        self._references = list(references)
        self._count = min(count, len(references))

    def whole(self, video: Video) -> Progress:
        """Progress at each frame of a whole video; it never falls."""
        found = []
        for reference in self._references:
            cost = distances(video, reference).double().numpy()[None]
            picks, total = dtw_picks_and_costs(cost, open_end=True)
            found.append((float(total[0]), picks[0] / (len(reference) - 1)))
        found.sort(key=lambda each: each[0])
        return np.mean([share for _, share in found[: self._count]], axis=0)

    def begin(self) -> Follow:
        """Begins a video: each frame's progress is where the best path ends that leads to it."""
        paths = [OpenPaths(reference) for reference in self._references]

        def follow(frame: Float[Tensor, "1 dim"]) -> float:
            ends = sorted((path.extend(frame) for path in paths), key=lambda end: end[0])
            return float(np.mean([share for _, share in ends[: self._count]]))

        return follow


class OpenPaths:
    """Warping paths from the first frames of a video and a reference to each of its frames.

    They are those of `align.metrics.decoding`, row by row.
    """

    def __init__(self, reference: Video) -> None:
        """Begins before the video's first frame."""
        self._reference = reference
        self._above = np.full(len(reference) + 1, np.inf)
        self._above[0] = 0
        self._row = 0

    def extend(self, frame: Float[Tensor, "1 dim"]) -> tuple[float, float]:
        """Adds a frame.

        Returns:
            Mean cost of the best path to this frame, and the share of the reference at its end.
        """
        cost = distances(frame, self._reference)[0].double().numpy()
        entered = np.minimum(self._above[1:] + cost, self._above[:-1] + 2 * cost)
        # A move along the row adds the costs between two columns, so the best column to come from
        # has the least total before the sum of its costs.
        passed = np.cumsum(cost)
        total = passed + np.minimum.accumulate(entered - passed)
        self._above, self._row = np.append(np.inf, total), self._row + 1
        mean = total / (self._row + np.arange(1, len(total) + 1))
        end = int(mean.argmin())
        return float(mean[end]), end / (len(total) - 1)


def reading(method: Method, references: Sequence[Video], config: ReadingConfig) -> Reading:
    """A method by name.

    Args:
        method: Its name.
        references: Placed as the videos will be.
        config: Its options.
    """
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
