"""The interface of an opened data set in any format: episodes, read one at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt16

from datasets.errors import MissingDataError
from datasets.frames import Frames, resize_frames, resize_numbers
from datasets.skeletons import NO_SKELETON, Skeleton
from datasets.storage.checks import LEAVE_OUT
from datasets.storage.episode_file import SPLITS, Episode
from datasets.storage.meaning import require_sound
from datasets.storage.meta import DatasetMeta

# The name of the only phase of episodes without phase labels.
UNLABELLED = "unlabelled"
# Shares of training and validation episodes, where nothing else is asked for.
_USUAL_SHARES = (0.7, 0.15)
# Time steps a second of formats that do not store a rate: robosuite's default.
USUAL_HZ = 20.0


class Source(ABC):
    """Episodes in one format, read one at a time.

    Attributes:
        title: Name of the format.
        looks_like: Files that distinguish the format, for messages.
        root: The folder or file.
        meta: Facts that the episodes have in common; `image_size` is the height of their frames.
        frame_size: Height and width of the frames.
        names: Names of the episodes in this format.
        lengths: Time steps of each episode.
        tasks: Sentences that say what is done in its episodes, where the format has them.
    """

    title: ClassVar[str]
    looks_like: ClassVar[str]
    root: Path
    meta: DatasetMeta
    frame_size: tuple[int, int]
    names: Sequence[str]
    lengths: Sequence[int]
    tasks: Sequence[str] = ()
    _read: tuple[int, Episode] | None = None

    @classmethod
    @abstractmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether the data at `path` have this format, judged by the names of files alone."""

    @abstractmethod
    def __init__(self, path: Path) -> None:
        """Opens the data at `path` and checks their structure without reading frames.

        Raises:
            DataError: When the data cannot be used; names the file and the remedy.
        """

    @abstractmethod
    def episode(self, i: int) -> Episode:
        """Reads a whole episode into memory.

        Raises:
            DataError: When a file cannot be read; names the file.
        """

    def lazy_episode(self, i: int) -> Episode:
        """Reads an episode without its frames, which are read as they are used, if possible."""
        return self.episode(i)

    def sound_episode(self, i: int) -> Episode:
        """Reads an episode as `lazy_episode` does, and checks all its values but for the pictures.

        Raises:
            DataError: When a file cannot be read, or a value cannot be what its name says.
        """
        episode = self.lazy_episode(i)
        require_sound(episode, self.meta, f"{self.root}: {self.names[i]}", LEAVE_OUT)
        return episode

    def resized_episode(self, i: int, size: int) -> Episode:
        """Reads a sound episode with square frames of `size` pixels a side; see `resized`."""
        return resized(self.sound_episode(i), size)

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.names)

    @cached_property
    def splits(self) -> Mapping[str, Sequence[int]] | None:
        """Positions of the episodes of each split; None where the format or data have no splits.

        Raises:
            DataError: When the stored splits cannot be used; other splits can replace them.
        """
        return None

    @property
    def views(self) -> list[str]:
        """Names of the views."""
        return self.meta.views

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the keypoints."""
        return self.meta.get_skeleton()

    def images(
        self, i: int, view: str, times: Sequence[int] | np.ndarray
    ) -> UInt8[np.ndarray, "time height width 3"]:
        """The frames of a view at `times`."""
        return self._episode(i).images[view][np.asarray(times)]

    def phases(self, i: int) -> UInt8[np.ndarray, " time"]:
        """Phase of each time step, an index into `meta.phases`."""
        return self._episode(i).phases

    def has_keypoints(self, i: int) -> bool:
        """Whether every view of an episode has keypoints."""
        return self._episode(i).keypoints.keys() >= set(self.views)

    def keypoints(self, i: int, view: str) -> Float[np.ndarray, "time keypoints 2"]:
        """Keypoints of a view in pixels, x right, y down; NaN behind the camera."""
        return self._episode(i).keypoints[view]

    def visible(self, i: int, view: str) -> Bool[np.ndarray, "time keypoints"]:
        """Whether each keypoint is inside the image and not hidden."""
        return self._episode(i).visible[view]

    def depth(
        self, i: int, view: str, times: Sequence[int] | np.ndarray
    ) -> UInt16[np.ndarray, "time height width"]:
        """Depth of a view in millimetres at `times`."""
        return self._episode(i).depth[view][np.asarray(times)]

    def masks(
        self, i: int, view: str, times: Sequence[int] | np.ndarray
    ) -> UInt8[np.ndarray, "time height width"]:
        """Instances of a view at `times`."""
        return self._episode(i).masks[view][np.asarray(times)]

    def _episode(self, i: int) -> Episode:
        # A picture needs many parts of one episode, so the last episode read is kept.
        if self._read is None or self._read[0] != i:
            self._read = (i, self.sound_episode(i))
        return self._read[1]


def bare_meta(
    env: str, views: Sequence[str], image_size: int, control_hz: float = USUAL_HZ
) -> DatasetMeta:
    """The metadata of recordings that hold frames only."""
    return DatasetMeta(
        env=env,
        views=list(views),
        skeleton=NO_SKELETON.name,
        image_size=image_size,
        seed=0,
        phases=[UNLABELLED],
        control_hz=control_hz,
    )


def bare_episode(images: Mapping[str, Frames]) -> Episode:
    """An episode that holds frames only; the task is done at its last frame."""
    steps = len(next(iter(images.values())))
    dones = np.zeros(steps, np.int64)
    dones[-1:] = 1
    return Episode(images=images, phases=np.zeros(steps, np.uint8), dones=dones)


def in_memory(episode: Episode) -> Episode:
    """The episode with all its frames in memory."""
    return replace(episode, images={v: np.asarray(f) for v, f in episode.images.items()})


def deal(counts: Sequence[int]) -> dict[str, list[int]]:
    """Splits positions by counts: the first are `train`, the next `valid`, the last `test`."""
    ends = np.cumsum(counts).tolist()
    return {
        split: list(range(end - count, end))
        for split, count, end in zip(SPLITS, counts, ends, strict=True)
    }


def usual_counts(episodes: int) -> list[int]:
    """Numbers of training, validation and test episodes, where nothing else is asked for."""
    train, valid = (round(share * episodes) for share in _USUAL_SHARES)
    if episodes >= len(SPLITS):
        valid = max(1, valid)
        train = min(train, episodes - valid - 1)
    else:
        train, valid = episodes, 0
    return [train, valid, episodes - train - valid]


def usual_split(episodes: int) -> str:
    """The usual numbers as an option of the commands, such as --split 10,5,5."""
    return f"--split {','.join(map(str, usual_counts(episodes)))}"


def no_splits(source: Source) -> MissingDataError:
    """The error of data whose episodes must be divided, and are not."""
    return MissingDataError(
        f"{source.root} does not say which of its {len(source)} episodes are for training, "
        f"validation and test. Give their numbers, such as {usual_split(len(source))}"
    )


def resized(episode: Episode, size: int) -> Episode:
    """The episode with square frames of `size` pixels a side; keypoints and cameras are scaled.

    Frames that are not square are distorted, as 3DTRL's loader does with the published sets.
    """
    scales = {
        view: np.array([size / frames.shape[2], size / frames.shape[1]])
        for view, frames in episode.images.items()
    }
    return replace(
        episode,
        images={view: resize_frames(frames, size) for view, frames in episode.images.items()},
        keypoints={
            view: (points * scales[view]).astype(np.float32)
            for view, points in episode.keypoints.items()
        },
        depth={view: resize_numbers(depth, size) for view, depth in episode.depth.items()},
        masks={view: resize_numbers(masks, size) for view, masks in episode.masks.items()},
        intrinsics={
            view: np.diag([*scales[view], 1.0]) @ matrix
            for view, matrix in episode.intrinsics.items()
        },
    )
