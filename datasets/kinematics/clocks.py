"""Cameras and joints on clocks that differ by a constant: estimated, given, and put right."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool

from datasets.errors import MismatchError, OptionError, require_known
from datasets.frames import Frames, LazyFrames
from datasets.kinematics.points import Attachment
from datasets.kinematics.timing import (
    ClockOffset,
    estimate_offset,
    motion_energy,
    robot_speed,
)
from datasets.kinematics.track import Motion
from datasets.source import Source
from datasets.storage.episode_file import OVER_TIME, STREAMS, Episode

logger = logging.getLogger(__name__)

ESTIMATED = "estimated"
# Frames from which an offset is estimated. Four episodes of Lift have about as many.
_ENOUGH_FRAMES = 300
# A frame more is what a user should know of: keypoints of a moving arm are then beside it.
_MOST_UNSAID = 1.0


class Clocks:
    """How late the pictures of each view are.

    Attributes:
        hz: Time steps a second.
    """

    def __init__(
        self,
        words: Sequence[str],
        source: Source,
        moving: Callable[[int], tuple[Episode, Motion]],
        points: Sequence[Attachment],
    ) -> None:
        """Reads what the user says of the clocks.

        Args:
            words: Words given to --offset.
            source: The recordings.
            moving: An episode and how the robot moves in it.
            points: The robot's keypoints.

        Raises:
            OptionError: When a word is no number and names no view, or is longer than all episodes.
        """
        self.hz, self._source, self._moving, self._points = (
            source.meta.control_hz,
            source,
            moving,
            points,
        )
        self._estimated = tuple(words) == (ESTIMATED,)
        self._given = {} if self._estimated else read_offsets(words, source.views)
        self._require_within()

    def _require_within(self) -> None:
        longest = max(self._source.lengths) / self.hz
        for view, seconds in self._given.items():
            if abs(seconds) >= longest:
                raise OptionError(
                    f"--offset shifts {view} by {seconds:g} s, and no episode is longer than "
                    f"{longest:.4g} s: give it in seconds."
                )

    @cached_property
    def estimates(self) -> Mapping[str, ClockOffset]:
        """View to what its motion tells, in the first episodes."""
        pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {v: [] for v in self._source.views}
        seen = 0
        for i in range(len(self._source)):
            episode, motion = self._moving(i)
            speed = robot_speed(motion, self._points)
            for view, frames in episode.images.items():
                pairs[view].append((speed, motion_energy(frames)))
            seen += len(episode)
            if seen >= _ENOUGH_FRAMES:
                break
        return {view: estimate_offset(each) for view, each in pairs.items()}

    @cached_property
    def late(self) -> Mapping[str, float]:
        """View to the frames by which its pictures are taken to be late.

        Raises:
            MismatchError: When they are to be estimated, and cannot be.
        """
        if not self._estimated:
            return {view: self._given.get(view, 0.0) * self.hz for view in self._source.views}
        for view, found in self.estimates.items():
            if found.problem:
                raise MismatchError(
                    f"{found.sentence(view, self.hz)}. Say how many seconds, such as --offset "
                    f"{view}=0.1, or leave --offset out."
                )
        return {view: found.frames for view, found in self.estimates.items()}

    def judged(self, found: Mapping[str, ClockOffset]) -> Iterator[str]:
        """A sentence for each view; offsets of more than a frame that are left in are warned of."""
        for view, offset in found.items():
            yield offset.sentence(view, self.hz)
            left = abs(offset.frames - self.late[view])
            certain = not offset.low <= self.late[view] <= offset.high
            if not offset.problem and left > _MOST_UNSAID and certain:
                logger.warning(
                    "%s: pictures and joints are %.1f frames apart. Add --offset %s, or --offset "
                    "%s=%.3f",
                    view,
                    left,
                    ESTIMATED,
                    view,
                    offset.frames / self.hz,
                )


def read_offsets(words: Sequence[str], views: Sequence[str]) -> dict[str, float]:
    """View to seconds, from `0.1` for all views or `front=0.1` for one.

    Raises:
        OptionError: When a word is neither.
        UnknownNameError: When there is no such view.
    """
    found: dict[str, float] = {}
    for word in words:
        view, _, number = word.rpartition("=")
        if view:
            require_known("view of --offset", view, views)
        try:
            seconds = float(number)
        except ValueError:
            seconds = math.nan
        if not math.isfinite(seconds):
            raise OptionError(
                f"--offset {word} must be {ESTIMATED}, seconds, or VIEW=SECONDS such as "
                f"{views[0]}=0.1."
            )
        found |= {view: seconds} if view else dict.fromkeys(views, seconds)
    return found


@dataclass(frozen=True, eq=False)
class Synchronised:
    """An episode in which every view shows the joints of its time step to half a frame.

    Attributes:
        episode: The episode, without the ends that some view does not show.
        motion: How the robot moves.
        views: View to how the robot moves at the moments of its pictures.
    """

    episode: Episode
    motion: Motion
    views: Mapping[str, Motion]


def synchronised(
    episode: Episode, motion: Motion, late: Mapping[str, float], name: str
) -> Synchronised:
    """Takes for each time step the picture nearest to it, and the joints at the picture's moment.

    Args:
        episode: The episode.
        motion: How its robot moves.
        late: View to the frames by which its pictures are late.
        name: The episode, for messages.

    Raises:
        MismatchError: When no time step is left.
    """
    shifts = {view: round(late.get(view, 0.0)) for view in episode.images}
    start = max(0, -min(shifts.values()))
    stop = len(episode) - max(0, *shifts.values())
    if stop <= start:
        raise MismatchError(
            f"{name} has {len(episode)} frames, and --offset shifts its views by "
            f"{min(shifts.values())} to {max(shifts.values())}: none is left. Correct --offset."
        )
    times = np.arange(start, stop)
    # Depth and masks were measured with the pictures.
    shown: dict[str, Any] = {
        part: {
            view: _frames(frames, start + shifts[view], len(times))
            for view, frames in getattr(episode, part).items()
        }
        for part in ("images", *STREAMS)
    }
    cut = replace(_cut(episode, start, stop), **shown)
    beside = {view: shift - late.get(view, 0.0) for view, shift in shifts.items()}
    views = {view: motion.at(times + off) for view, off in beside.items()}
    return Synchronised(cut, motion.at(times), views)


def as_stored(motion: Motion, late: Mapping[str, float]) -> dict[str, Motion]:
    """View to how the robot moves at the moments of its pictures, of which none is shifted.

    Before the first and after the last of the joints, it stands as it does there.
    """
    steps = np.arange(len(motion.values))
    return {view: motion.at(steps - frames) for view, frames in late.items()}


def shown(late: float, steps: int) -> Bool[np.ndarray, " time"]:
    """Whether the moment of each stored picture is, to half a frame, one with joints."""
    times = np.arange(steps) - late
    return (times >= -0.5) & (times <= steps - 0.5)


def _cut(episode: Episode, start: int, stop: int) -> Episode:
    """The time steps from `start` on before `stop`, of all but the pictures, depth and masks."""
    kept: dict[str, Any] = {
        name: values[start:stop]
        for name in OVER_TIME
        if (values := getattr(episode, name)) is not None
    }
    for name in ("keypoints", "visible", "observations"):
        kept[name] = {key: each[start:stop] for key, each in getattr(episode, name).items()}
    poses = episode.world_to_camera
    kept["world_to_camera"] = {v: p[start:stop] if p.ndim == 3 else p for v, p in poses.items()}
    return replace(episode, **kept)


def _frames(frames: Frames, start: int, count: int) -> Frames:
    if not isinstance(frames, LazyFrames):
        return frames[start : start + count]
    return replace(
        frames,
        shape=(count, *frames.shape[1:]),
        read=lambda times: frames.read([start + time for time in times]),
    )
