"""Videos to embed, one by one: views of the episodes of a data set, and video files."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from align.embedder import FrameEmbedder
from align.inputs.augment import small_frames
from align.inputs.protocols import require_known_body
from align.stored.suitable import require_frames_alone
from datasets.episodes import EpisodeDataset
from datasets.errors import MissingDataError, counted
from datasets.stillness import is_still
from datasets.video import iterate_frames, video_shape, video_times

# The view of a video file, which does not say from where it was filmed.
FILE_VIEW = "video"

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class EpisodeView:
    """A view of an episode of a data set.

    Attributes:
        data: The data set.
        i: Place of the episode in it.
        view: Name of the view.
        folder: Name of the data set, which distinguishes episodes of several; else empty.
    """

    data: EpisodeDataset
    i: int
    view: str
    folder: str = ""

    @property
    def episode(self) -> str:
        """Name of the episode."""
        name = self.data.names[self.i]
        return f"{self.folder}/{name}" if self.folder else name

    @property
    def source(self) -> Path:
        """The episode's file, by which it is known again from every view."""
        return Path(os.path.realpath(self.data.paths[self.i]))

    def times(self) -> Float[np.ndarray, " time"]:
        """Time of each frame in seconds from the first one."""
        return np.arange(self.data.lengths[self.i]) / self.data.meta.control_hz

    def encode(self, embedder: FrameEmbedder) -> Float[Tensor, "time dim"]:
        """Embeddings of all frames, before `FrameEncoder.compare`.

        Raises:
            DataError: When the file cannot be read.
        """
        return embedder.encode_view(self.data, self.i, self.view)


@dataclass(frozen=True)
class VideoFile:
    """A video file.

    Attributes:
        path: The file.
    """

    path: Path

    view = FILE_VIEW

    @property
    def source(self) -> Path:
        """The file, by which it is known again."""
        return Path(os.path.realpath(self.path))

    @property
    def episode(self) -> str:
        """The file's path."""
        return str(self.path)

    def times(self) -> Float[np.ndarray, " time"]:
        """Time of each frame in seconds from the first one."""
        return video_times(self.path)

    def encode(self, embedder: FrameEmbedder) -> Float[Tensor, "time dim"]:
        """Embeddings of all frames, before `FrameEncoder.compare`.

        Raises:
            DataError: When the video cannot be decoded.
        """
        frames = network_frames(self.path, embedder.image_size)
        warn_of_stillness(self.path, frames)
        return embedder.encode_frames(frames)


Footage = EpisodeView | VideoFile


def network_frames(video: Path, size: int, every: int = 1) -> UInt8[np.ndarray, "time size size 3"]:
    """Frames of a video squeezed to squares, as runs see them; whole ones are held one at a time.

    Args:
        video: The file.
        size: Side of the squares in pixels.
        every: Every how many frames one is read.

    Raises:
        DataError: When the video cannot be decoded, or has no frames.
    """
    frames = small_frames(islice(iterate_frames(video), 0, None, every), size)
    if not len(frames):
        raise MissingDataError(f"{video} has no frames; copy it again.")
    return frames


def require_frames(video: Path, least: int = 2) -> None:
    """Checks that a video can be read and is long enough, before work that takes long.

    Raises:
        DataError: When it cannot be read.
        MissingDataError: When it has fewer frames.
    """
    if (found := video_shape(video).frames) < least:
        raise MissingDataError(
            f"{video} has {counted(found, 'frame')}, and a frame is known by its difference from "
            f"others: name a video of {least} or more."
        )


def warn_of_stillness(video: Path, frames: UInt8[np.ndarray, "time size size 3"]) -> None:
    """Warns where nothing moves in a video, so that its embeddings differ by noise alone.

    Args:
        video: The file, for the message.
        frames: All of its frames.
    """
    if is_still(frames):
        log.warning(
            "%s shows one picture all the time: its frames differ by noise alone, and so does "
            "what is read off them.",
            video,
        )


def video_files(
    who: str, embedder: FrameEmbedder, paths: Sequence[Path], least: int = 2
) -> list[Footage]:
    """Video files, for a run that can embed them.

    Args:
        who: The run, for messages.
        embedder: Its encoder.
        paths: The files.
        least: Frames that each must have.

    Raises:
        MismatchError: When the run needs keypoints or cameras.
        DataError: When a file cannot be read, or has fewer frames.
    """
    if paths:
        require_frames_alone(who, embedder.config)
    for path in paths:
        require_frames(path, least)
    return [VideoFile(path) for path in paths]


def open_episodes(
    who: str,
    embedder: FrameEmbedder,
    root: Path,
    split: str | None,
    views: Sequence[str] | None = None,
) -> EpisodeDataset:
    """Episodes that a run can embed.

    Args:
        who: The run, for messages.
        embedder: Its encoder.
        root: Folder of the data set.
        split: Name of a split; None for all episodes.
        views: Names of views; None for all.

    Raises:
        DataError: When the data set, the split or a view does not exist, or a file is damaged.
        MismatchError: When the run needs poses and the data show another body.
    """
    data = EpisodeDataset(root, split, views)
    config = embedder.config
    data.check(need_keypoints=config.needs_keypoints, need_cameras=config.needs_cameras)
    learned = embedder.plan.meta.get_skeleton()
    require_known_body(who, embedder.config, learned, data.skeleton, root)
    return data


def episode_views(data: EpisodeDataset, folder: str = "") -> list[Footage]:
    """All views of all episodes of a data set, episode by episode."""
    return [EpisodeView(data, i, view, folder) for i in range(len(data)) for view in data.views]
