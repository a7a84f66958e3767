"""Folders of videos, one per view: `000000/ego.mp4`, `000000/view_0.mp4` and so on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from datasets.draw import draw_skeleton
from datasets.errors import DataError
from datasets.source import Source, bare_episode, bare_meta
from datasets.storage.episode_file import EGO, Episode
from datasets.storage.meta import DatasetMeta
from datasets.video import read_frames, video_shape, write_video

SUFFIXES = {".mp4", ".mov", ".mkv", ".avi", ".webm"}


@dataclass(frozen=True)
class VideoOptions:
    """Options of written videos.

    Attributes:
        skeleton: Draw the skeleton on every frame; small frames are enlarged for it.
        crf: H.264 quality, from 0 (lossless, large) to 51; 18 looks like the original.
    """

    skeleton: bool = False
    crf: int = 18


class VideoSource(Source):
    """A folder of the videos of one episode, or of such folders."""

    title = "videos"
    looks_like = "000000/ego.mp4, 000000/view_0.mp4 (or those of one episode alone)"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether `path` or a folder in it holds videos."""
        return bool(_episodes(path))

    def __init__(self, path: Path) -> None:
        """Reads the headers of all videos.

        Raises:
            DataError: When a video cannot be read, or views differ in length or number.
        """
        self.root = path
        self._files = _episodes(path)
        self.names, self.lengths, self.splits = list(self._files), [], None
        views = list(next(iter(self._files.values())))
        for name, files in self._files.items():
            if list(files) != views:
                raise DataError(
                    f"{path}: {name} has the views {list(files)}, {self.names[0]} {views}; all "
                    "episodes need the same. Remove it, or add the missing videos."
                )
            shapes = {file: video_shape(file) for file in files.values()}
            frames = {file.name: shape.frames for file, shape in shapes.items()}
            if len(set(frames.values())) > 1:
                raise DataError(
                    f"{path}: the videos of {name} differ in their number of frames ({frames}); "
                    "views of one episode must be of one length. Cut the longer ones."
                )
            self.lengths.append(next(iter(frames.values())))
        first = video_shape(self._files[self.names[0]][views[0]])
        self.frame_size = (first.height, first.width)
        self.meta = bare_meta(path.resolve().name, views, first.height, first.fps)

    def episode(self, i: int) -> Episode:
        """Decodes the videos of an episode."""
        times = np.arange(self.lengths[i])
        files = self._files[self.names[i]]
        return bare_episode({view: read_frames(file, times) for view, file in files.items()})


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
            frames = episode.images[view]
            if options.skeleton:
                frames = _with_skeleton(episode, view, meta)
            write_video(folder / f"{view}.mp4", frames, meta.control_hz, crf=options.crf)


def _with_skeleton(
    episode: Episode, view: str, meta: DatasetMeta
) -> UInt8[np.ndarray, "time height width 3"]:
    if view not in episode.keypoints:
        raise DataError("there are no keypoints to draw: leave out --mp4.skeleton.")
    marks = zip(episode.images[view], episode.keypoints[view], episode.visible[view], strict=True)
    return np.stack([draw_skeleton(*mark, meta.get_skeleton()) for mark in marks])


def _episodes(path: Path) -> dict[str, dict[str, Path]]:
    if not path.is_dir():
        return {}
    if views := _views(path):
        return {path.resolve().name: views}
    found = {folder.name: _views(folder) for folder in sorted(path.iterdir()) if folder.is_dir()}
    return {name: views for name, views in found.items() if views}


def _views(folder: Path) -> dict[str, Path]:
    files = [file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES]
    # The first-person view comes first, as in every data set; by length, view_10 follows view_9.
    files.sort(key=lambda file: (file.stem != EGO, len(file.stem), file.stem))
    return {file.stem: file for file in files}
