"""Unpaired first- and third-person videos of one task, in the layouts of AE2's benchmark.

    label.pickle            the phase of every frame; or label.csv, see `phase_labels`
    ego/train.csv           names of the training videos, one a line; also val.csv and test.csv
    ego/break_3.mp4         a video, or ego/break_3/00001.png …
    exo/…

    label.pickle
    train/ego/pour_1.mp4    the splits may be folders instead; also val/ and test/

Each video is an episode with one view, `video`, and the viewpoint `ego` or `exo`.
Source: zihuixue/AlignEgoExo (Xue and Grauman 2023), dataset/video_align_dataset.py.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from datasets.errors import MismatchError, MissingDataError, shortened
from datasets.formats.numbered import holds_frames, lazy_pictures, list_frames, size_of
from datasets.formats.phase_labels import has_labels, read_labels
from datasets.frames import LazyFrames
from datasets.source import USUAL_HZ, Source, bare_episode, bare_meta, in_memory
from datasets.storage.episode_file import EGO, EXO, SPLITS, Episode
from datasets.storage.inside import path_inside
from datasets.storage.own_files import own_files
from datasets.video import VIDEO_SUFFIXES, lazy_frames, video_shape

logger = logging.getLogger(__name__)

VIEW = "video"
VIEWPOINTS = (EGO, EXO)
# AE2's names of the splits.
_SPLITS = dict(zip(SPLITS, ("train", "val", "test"), strict=True))
# A message names this many videos.
_NAMED = 5
# Rates differ by rounding alone up to this share.
_SAME_RATE = 0.01


@dataclass(frozen=True)
class _Video:
    """A video: a file, or a folder of pictures.

    Attributes:
        path: Where it is.
        viewpoint: From where it was filmed.
        split: Its split; empty where the folder does not say.
    """

    path: Path
    viewpoint: str
    split: str

    @property
    def name(self) -> str:
        """Its name in the file of labels."""
        return self.path.name if self.path.is_dir() else self.path.stem

    def frames(self) -> LazyFrames:
        """Its frames, which are read as they are used."""
        if self.path.is_dir():
            return lazy_pictures(list(list_frames(self.path).values()))
        return lazy_frames(self.path, np.arange(video_shape(self.path).frames))

    def shape(self) -> tuple[int, tuple[int, int], float | None]:
        """Number, height and width of its frames, and their rate where it is stored."""
        if self.path.is_dir():
            files = list(list_frames(self.path).values())
            return len(files), size_of(files[0]), None
        shape = video_shape(self.path)
        return shape.frames, (shape.height, shape.width), shape.fps


class UnpairedSource(Source):
    """A folder of unpaired videos with labels of their phases."""

    title = "unpaired videos of AE2"
    looks_like = "label.pickle or label.csv, ego/NAME.mp4, exo/NAME.mp4 (or train/ego/NAME.mp4)"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether there are labels, and folders of both viewpoints."""
        places = (path, *(path / folder for folder in _SPLITS.values()))
        return has_labels(path) and any(
            all((place / viewpoint).is_dir() for viewpoint in VIEWPOINTS) for place in places
        )

    def __init__(self, path: Path) -> None:
        """Lists the videos and reads their headers and labels.

        Raises:
            DataError: When a video is missing, listed twice or cannot be read, or when its labels
                are missing or of another length.
        """
        self.root = path
        self._videos = list(_videos(path))
        _require_distinct(self._videos)
        shapes = [video.shape() for video in self._videos]
        labels = read_labels(path)
        self.names = [video.name for video in self._videos]
        if unused := sorted({*labels.starts, *labels.numbers} - set(self.names)):
            logger.warning(
                "%s has phases of videos that are not there (%d): %s.",
                labels.path,
                len(unused),
                shortened(unused, _NAMED),
            )
        self.lengths = [frames for frames, _, _ in shapes]
        self._phases = [
            labels.of(name, frames) for name, frames in zip(self.names, self.lengths, strict=True)
        ]
        self.frame_size = shapes[0][1]
        rate = _rate(path, [rate for _, _, rate in shapes if rate is not None])
        meta = bare_meta(path.resolve().name, [VIEW], self.frame_size[0], rate)
        self.meta = replace(meta, phases=labels.names, viewpoints=list(VIEWPOINTS))
        self.splits = self._listed_splits()

    def _listed_splits(self) -> dict[str, list[int]] | None:
        if not self._videos[0].split:
            return None
        return {
            split: [i for i, video in enumerate(self._videos) if video.split == split]
            for split in SPLITS
        }

    def episode(self, i: int) -> Episode:
        """Reads the frames of a video."""
        return in_memory(self.lazy_episode(i))

    def lazy_episode(self, i: int) -> Episode:
        """A video and its phases; its frames are read as they are used."""
        video = self._videos[i]
        episode = bare_episode({VIEW: video.frames()})
        return replace(episode, phases=self._phases[i], viewpoint=video.viewpoint)

    def has_keypoints(self, i: int) -> bool:
        """Videos have no keypoints."""
        return False


def _videos(path: Path) -> Iterator[_Video]:
    """The videos split by split, and in each those of the first person first."""
    if any((path / viewpoint).is_dir() for viewpoint in VIEWPOINTS):
        if any(_has_lists(path / viewpoint) for viewpoint in VIEWPOINTS):
            for split, name in _SPLITS.items():
                for viewpoint in VIEWPOINTS:
                    for video in _of_list(path / viewpoint / f"{name}.csv"):
                        yield _Video(video, viewpoint, split)
            return
        found = {"": path}
    else:
        found = {split: path / name for split, name in _SPLITS.items() if (path / name).is_dir()}
    for split, folder in found.items():
        for viewpoint in VIEWPOINTS:
            for video in _in_folder(folder / viewpoint):
                yield _Video(video, viewpoint, split)


def _has_lists(folder: Path) -> bool:
    return any((folder / f"{name}.csv").exists() for name in _SPLITS.values())


def _of_list(path: Path) -> list[Path]:
    """The videos that a list names, by file or by folder of pictures."""
    if not path.is_file():
        raise MissingDataError(
            f"{path} does not exist. Write the names of its videos, one a line; the file may be "
            "empty."
        )
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    videos = []
    for line in filter(None, map(str.strip, lines)):
        file = path_inside(path.parent, line, path)
        places = [file, file.with_suffix("")]
        video = next((p for p in places if p.is_file() or holds_frames(p)), None)
        if video is None:
            raise MissingDataError(f"{path} names {line}, which is not beside it. Restore it.")
        videos.append(video)
    return videos


def _in_folder(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [
        path
        for path in own_files(folder.iterdir())
        if path.suffix.lower() in VIDEO_SUFFIXES or holds_frames(path)
    ]


def _require_distinct(videos: Sequence[_Video]) -> None:
    seen: dict[str, _Video] = {}
    for video in videos:
        other = seen.setdefault(video.name, video)
        if other is not video:
            raise MismatchError(
                f"{other.path} ({other.split or 'no split'}) and {video.path} "
                f"({video.split or 'no split'}) are both the video {video.name}, whose phases are "
                "found by this name. Rename one, or list it once."
            )
    for viewpoint in VIEWPOINTS:
        if not any(video.viewpoint == viewpoint for video in videos):
            raise MissingDataError(
                f"there are no {viewpoint} videos. Add them; videos of one viewpoint alone are "
                "read without the folders ego and exo."
            )


def _rate(path: Path, rates: Sequence[float]) -> float:
    """The median rate; a warning says where videos differ."""
    if not rates:
        return USUAL_HZ
    rate = float(np.median(rates))
    if any(abs(other / rate - 1) > _SAME_RATE for other in rates):
        logger.warning(
            "%s: its videos have %.4g to %.4g frames a second; times in seconds follow their "
            "median, %.4g",
            path,
            min(rates),
            max(rates),
            rate,
        )
    return rate
