"""Folders of videos, one per view: `000000/ego.mp4`, `000000/view_0.mp4` and so on."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from datasets.bounds import Crf
from datasets.clips.own import POSES_FOLDER
from datasets.draw import draw_skeleton
from datasets.errors import FormatError, MismatchError, MissingDataError, shortened
from datasets.formats.layout import find_episodes, tell_doubts
from datasets.formats.numbered import holds_pictures
from datasets.formats.pairing import SAME_RATE, Steps, one_rate, pair_by_clock, pair_by_time
from datasets.formats.time_tables import stamps_of, tables_beside
from datasets.formats.video_poses import find_video_poses, read_video_poses
from datasets.frames import LazyFrames, Picture
from datasets.skeletons import COCO18
from datasets.source import Source, bare_episode, bare_meta, in_memory
from datasets.storage.episode_file import EGO, Episode
from datasets.storage.meta import DatasetMeta
from datasets.storage.own_files import own_files
from datasets.video import VIDEO_SUFFIXES, lazy_frames, video_shape, video_times, write_video

logger = logging.getLogger(__name__)

# Folders that a warning lists.
_SHOWN = 5


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
        return bool(find_episodes(path, _videos))

    def __init__(self, path: Path) -> None:
        """Reads the headers and the times of all videos, and the CSV files beside them.

        A folder `poses` in `path` holds the keypoints of a person in every video.

        Frames of different views belong to one time step where their times agree. A CSV file of a
        video's name holds the times of its frames by a clock that all views share; without such
        files, times are counted from each video's first frame. Where views differ in rate, or one
        has uneven times, the episode has the rate of the slowest view, and the nearest frames of
        the others. Other CSV files hold measurements with times by the same clock.

        Raises:
            FormatError: When two videos of an episode have the name of one view, or a CSV file
                cannot be read.
            DataError: When a video cannot be read, views differ in duration or number, or the
                folder of poses lacks those of a video.
        """
        self.root = path
        files = find_episodes(path, _videos)
        self._files = {name: _views(videos) for name, videos in files.items()}
        self.names, self.splits = list(self._files), None
        views = list(next(iter(self._files.values())))
        for name, found in self._files.items():
            if list(found) != views:
                raise MismatchError(
                    f"{path}: {name} has the views {list(found)}, {self.names[0]} {views}; all "
                    "episodes need the same. Remove it, or add the missing videos."
                )
        self._poses = find_video_poses(path, self._files)
        tell_doubts(path, _videos, views, "videos", used=(POSES_FOLDER,) if self._poses else ())
        _warn_of_pictures(files.values())
        self._steps = {name: _pair(f, f"{path}: {name}") for name, f in self._files.items()}
        self.lengths = [len(steps.picks[views[0]]) for steps in self._steps.values()]
        first = video_shape(self._files[self.names[0]][views[0]])
        self.frame_size = (first.height, first.width)
        rate = one_rate(path, {name: steps.rate for name, steps in self._steps.items()})
        bare = bare_meta(path.resolve().name, views, first.height, rate)
        self.meta = replace(bare, skeleton=COCO18.name) if self._poses else bare

    def episode(self, i: int) -> Episode:
        """Decodes the videos of an episode; errors as of `lazy_episode`."""
        return in_memory(self.lazy_episode(i))

    def lazy_episode(self, i: int) -> Episode:
        """The videos of an episode, whose frames are decoded as they are used, with their poses.

        Raises:
            DataError: See `read_video_poses`.
        """
        episode = bare_episode({view: self._frames(i, view) for view in self.views})
        episode.observations = self._steps[self.names[i]].measured
        for view in self.views if self._poses else ():
            points = self._keypoints(i, view)
            height, width = episode.images[view].shape[1:3]
            episode.keypoints[view] = points
            # NaN, which marks what was not found, is outside.
            episode.visible[view] = ((points >= 0) & (points < (width, height))).all(-1)
        return episode

    def images(
        self, i: int, view: str, times: Sequence[int] | np.ndarray
    ) -> UInt8[np.ndarray, "time height width 3"]:
        """Decodes the frames of a view at `times`."""
        return self._frames(i, view)[times]

    def phases(self, i: int) -> UInt8[np.ndarray, " time"]:
        """Videos have one phase."""
        return np.zeros(self.lengths[i], np.uint8)

    def has_keypoints(self, i: int) -> bool:
        """Whether there is a folder of poses."""
        return bool(self._poses)

    def _frames(self, i: int, view: str) -> LazyFrames:
        name = self.names[i]
        return lazy_frames(self._files[name][view], self._steps[name].picks[view])

    def _keypoints(self, i: int, view: str) -> Float[np.ndarray, "time keypoints 2"]:
        name = self.names[i]
        points = read_video_poses(self._poses[name][view], self._files[name][view])
        return points[self._steps[name].picks[view]]


def _pair(files: Mapping[str, Path], name: str) -> Steps:
    """Brings the videos of an episode together with the CSV files beside them."""
    folder = next(iter(files.values())).parent
    tables = tables_beside(folder, files)
    times = {view: video_times(file) for view, file in files.items()}
    if stamps := stamps_of(tables, {view: len(t) for view, t in times.items()}, name):
        picks, grid = pair_by_clock(stamps, name)
        rate = 1 / float(grid[1] - grid[0])
    else:
        picks, measured_rate = pair_by_time(times, name)
        declared = video_shape(next(iter(files.values()))).fps
        # Times are rounded, so the rate of the header is more exact where both agree.
        agrees = measured_rate is None or abs(declared / measured_rate - 1) < SAME_RATE
        rate = declared if agrees or measured_rate is None else measured_rate
        grid = np.arange(len(next(iter(picks.values())))) / rate
    measured = {
        stem: table.at(grid, 1 / rate) for stem, table in tables.items() if stem not in files
    }
    return Steps(picks, rate, measured)


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


def _warn_of_pictures(episodes: Iterable[Sequence[Path]]) -> None:
    """Warns of folders of pictures beside videos, which may be views as well."""
    beside = [own_files(videos[0].parent.iterdir()) for videos in episodes]
    if left_out := [str(inside) for each in beside for inside in each if holds_pictures(inside)]:
        logger.warning(
            "pictures beside videos are left out: %s. Where they are a view, make a video of them.",
            shortened(left_out, _SHOWN),
        )


def _videos(folder: Path) -> list[Path]:
    files = [f for f in own_files(folder.iterdir()) if f.suffix.lower() in VIDEO_SUFFIXES]
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
