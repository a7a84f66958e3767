"""Folders of videos, one per view: `000000/ego.mp4`, `000000/view_0.mp4` and so on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64, UInt8

from datasets.bounds import Crf
from datasets.draw import draw_skeleton
from datasets.errors import FormatError, MismatchError, MissingDataError
from datasets.frames import LazyFrames, Picture
from datasets.source import Source, bare_episode, bare_meta, in_memory
from datasets.storage.episode_file import EGO, Episode
from datasets.storage.meta import DatasetMeta
from datasets.video import VIDEO_SUFFIXES, lazy_frames, video_shape, video_times, write_video

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoOptions:
    """Options of written videos.

    Attributes:
        skeleton: Draw the skeleton on every frame; small frames are enlarged for it.
        crf: H.264 quality, from 0 (lossless, large) to 51; 18 looks like the original.
    """

    skeleton: bool = False
    crf: Crf = 18


class VideoSource(Source):
    """A folder of the videos of one episode, or of such folders."""

    title = "videos"
    looks_like = "000000/ego.mp4, 000000/view_0.mp4 (or those of one episode alone)"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether `path` or a folder in it holds videos."""
        return bool(_episodes(path))

    def __init__(self, path: Path) -> None:
        """Reads the headers and the times of all videos.

        Frames of different views belong to one time step where their times agree, counted from each
        video's first frame. Where views differ in rate, or one has uneven times, the episode has
        the rate and the number of frames of the slowest view, and the nearest frames of the others.

        Raises:
            FormatError: When two videos of an episode have the name of one view.
            DataError: When a video cannot be read, or views differ in duration or number.
        """
        self.root = path
        self._files = {name: _views(files) for name, files in _episodes(path).items()}
        self.names, self.lengths, self.splits = list(self._files), [], None
        views = list(next(iter(self._files.values())))
        self._picks: list[dict[str, Int64[np.ndarray, " time"]]] = []
        rates: list[float] = []
        for name, files in self._files.items():
            if list(files) != views:
                raise MismatchError(
                    f"{path}: {name} has the views {list(files)}, {self.names[0]} {views}; all "
                    "episodes need the same. Remove it, or add the missing videos."
                )
            times = {view: video_times(file) for view, file in files.items()}
            picks, rate = pair_by_time(times, f"{path}: {name}")
            self._picks.append(picks)
            self.lengths.append(len(picks[views[0]]))
            declared = video_shape(files[views[0]]).fps
            # Times are rounded, so the rate of the header is more exact where both agree.
            if rate is None or abs(declared / rate - 1) < _SAME_RATE:
                rate = declared
            rates.append(rate)
        first = video_shape(self._files[self.names[0]][views[0]])
        self.frame_size = (first.height, first.width)
        rate = _one_rate(path, dict(zip(self.names, rates, strict=True)))
        self.meta = bare_meta(path.resolve().name, views, first.height, rate)

    def episode(self, i: int) -> Episode:
        """Decodes the videos of an episode."""
        return in_memory(self.lazy_episode(i))

    def lazy_episode(self, i: int) -> Episode:
        """The videos of an episode, whose frames are decoded as they are used."""
        return bare_episode({view: self._frames(i, view) for view in self.views})

    def images(
        self, i: int, view: str, times: Sequence[int] | np.ndarray
    ) -> UInt8[np.ndarray, "time height width 3"]:
        """Decodes the frames of a view at `times`."""
        return self._frames(i, view)[times]

    def phases(self, i: int) -> UInt8[np.ndarray, " time"]:
        """Videos have one phase."""
        return np.zeros(self.lengths[i], np.uint8)

    def has_keypoints(self, i: int) -> bool:
        """Videos have no keypoints."""
        return False

    def _frames(self, i: int, view: str) -> LazyFrames:
        return lazy_frames(self._files[self.names[i]][view], self._picks[i][view])


# A rate that is read from times in milliseconds is off by up to this share.
_SAME_RATE = 0.01


def pair_by_time(
    times: Mapping[str, Float[np.ndarray, " frames"]], name: str
) -> tuple[dict[str, Int64[np.ndarray, " time"]], float | None]:
    """For each view the frame of each time step of the episode, and time steps a second.

    Args:
        times: View to display times of its frames, in seconds from the first.
        name: The episode, for messages.

    Returns:
        View to frames, and the rate; None where there is one time step.

    Raises:
        MismatchError: When views differ in duration, or a view has no frame near a time step.
    """
    slowest = min(times, key=lambda view: len(times[view]))
    count, end = len(times[slowest]), times[slowest][-1]
    if count == 1 or end <= 0:
        if len({len(t) for t in times.values()}) > 1:
            raise MismatchError(
                f"{name}: the videos have {_listed(times, len)} frames, and {slowest} has no "
                "duration. Views of one episode must show the same span of time."
            )
        return {view: np.arange(len(t)) for view, t in times.items()}, None
    step = float(end / (count - 1))
    if any(abs(t[-1] - end) > 1.5 * step for t in times.values()):
        raise MismatchError(
            f"{name}: the videos last {_listed(times, lambda t: f'{t[-1]:.2f} s')}; views of one "
            "episode must show the same span of time. Cut the longer ones, or correct the rate of "
            "one: ffmpeg -r RATE -i IN OUT"
        )
    return nearest_frames(times, np.arange(count) * step, step, name), 1 / step


def nearest_frames(
    times: Mapping[str, Float[np.ndarray, " frames"]],
    grid: Float[np.ndarray, " time"],
    step: float,
    name: str,
) -> dict[str, Int64[np.ndarray, " time"]]:
    """For each view the frames that are nearest to the time steps of an episode.

    A warning names views of which other frames than all are taken.

    Args:
        times: View to times of its frames, in seconds.
        grid: Times of the time steps, evenly spaced.
        step: Seconds between them.
        name: The episode, for messages.

    Raises:
        MismatchError: When a view has no frame within a time step of one.
    """
    picks = {view: _nearest(t, grid) for view, t in times.items()}
    for view, chosen in picks.items():
        apart = np.abs(times[view][chosen] - grid)
        if apart.max() > step:
            raise MismatchError(
                f"{name}: {view} has no frame within {step:.3f} s of "
                f"{grid[apart.argmax()] - grid[0]:.3f} s of the episode. Cut the episode there."
            )
    changed = [
        view for view, t in times.items() if not np.array_equal(picks[view], np.arange(len(t)))
    ]
    if changed:
        logger.warning(
            "%s: %s at %.4g frames a second: the frames nearest in time were taken",
            name,
            " and ".join(f"{view} ({len(times[view])} frames)" for view in changed),
            1 / step,
        )
    return picks


def _nearest(
    times: Float[np.ndarray, " frames"], grid: Float[np.ndarray, " time"]
) -> Int64[np.ndarray, " time"]:
    after = np.searchsorted(times, grid).clip(1, max(1, len(times) - 1))
    before = after - 1
    after = after.clip(0, len(times) - 1)
    return np.where(grid - times[before] <= times[after] - grid, before, after)


def _listed(
    times: Mapping[str, Float[np.ndarray, " frames"]],
    describe: Callable[[Float[np.ndarray, " frames"]], object],
) -> str:
    return ", ".join(f"{describe(t)} ({view})" for view, t in times.items())


def _one_rate(path: Path, rates: Mapping[str, float]) -> float:
    first, rate = next(iter(rates.items()))
    for name, other in rates.items():
        if abs(other / rate - 1) > _SAME_RATE:
            raise MismatchError(
                f"{path}: {first} has {rate:.4g} time steps a second, {name} {other:.4g}; all "
                "episodes of a data set need one rate. Convert them apart, or encode them again at "
                "one rate: ffmpeg -i IN -r RATE OUT"
            )
    return rate


def write_videos(
    out: Path, meta: DatasetMeta, episodes: Iterable[tuple[str, Episode]], options: VideoOptions
) -> None:
    """Writes a video of each view of each episode, which keeps frames only.

    Args:
        out: An empty folder.
        meta: Facts that the episodes have in common.
        episodes: Pairs of split and episode.
        options: Quality of the videos, and whether they show the skeleton.

    Raises:
        DataError: When the skeleton shall be drawn but an episode has no keypoints.
    """
    for index, (_, episode) in enumerate(episodes):
        folder = out / f"{index:06d}"
        folder.mkdir()
        for view in meta.views:
            frames = (
                _with_skeleton(episode, view, meta) if options.skeleton else episode.images[view]
            )
            write_video(folder / f"{view}.mp4", frames, meta.control_hz, crf=options.crf)


def _with_skeleton(episode: Episode, view: str, meta: DatasetMeta) -> Iterator[Picture]:
    if view not in episode.keypoints:
        raise MissingDataError("there are no keypoints to draw: leave out --mp4.skeleton.")
    marks = zip(episode.images[view], episode.keypoints[view], episode.visible[view], strict=True)
    return (draw_skeleton(*mark, meta.get_skeleton()) for mark in marks)


def _episodes(path: Path) -> dict[str, list[Path]]:
    """Name of each episode to its videos."""
    if not path.is_dir():
        return {}
    if files := _videos(path):
        return {path.resolve().name: files}
    found = {folder.name: _videos(folder) for folder in sorted(path.iterdir()) if folder.is_dir()}
    return {name: files for name, files in found.items() if files}


def _videos(folder: Path) -> list[Path]:
    files = [file for file in folder.iterdir() if file.suffix.lower() in VIDEO_SUFFIXES]
    # The first-person view comes first, as in every data set; by length, view_10 follows view_9.
    return sorted(files, key=lambda file: (file.stem != EGO, len(file.stem), file.stem, file.name))


def _views(files: Iterable[Path]) -> dict[str, Path]:
    views: dict[str, Path] = {}
    for file in files:
        other = views.setdefault(file.stem, file)
        if other != file:
            raise FormatError(
                f"{other} and {file} are both the view {file.stem}. Remove one of them, or give it "
                "the name of another view."
            )
    return views
