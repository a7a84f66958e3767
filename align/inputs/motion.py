"""Which patches of a video change, from its pixels alone, and what networks read off this.

A video's still picture is the median of some of its frames: with a camera that stands still, the
background without what moves before it. A patch changes where a frame differs from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from einops import reduce
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from align.inputs.augment import frames_to_tensor
from align.probe import evenly
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError

# Frames that tell a video's motion, spread over it. Reading them once costs a fifth of a pass over
# videos of 80 frames.
MOTION_FRAMES = 16
# Pictures are compared by the means of this many cells along a side of a patch: single pixels hold
# the noise of a camera or a codec, and 16 times the memory.
_CELLS = 4


@dataclass(frozen=True, eq=False)
class VideoMotion:
    """Where the frames of a video change, as some frames of it tell.

    Attributes:
        still: The still picture: the median of each cell, 0 to 255.
        activity: Mean `change` of the patches over these frames.
    """

    still: UInt8[Tensor, "3 cell_rows cell_cols"]
    activity: Float[Tensor, "rows cols"]

    @classmethod
    def of(cls, frames: UInt8[Tensor, "time 3 height width"], rows: int, cols: int) -> VideoMotion:
        """The motion of a video.

        Args:
            frames: RGB, of any size; those at `motion_times`.
            rows: Rows of patches in a frame.
            cols: Columns of patches in a frame.
        """
        cells = _cells(frames, rows * _CELLS, cols * _CELLS)
        still = cells.median(dim=0).values.round().to(torch.uint8)
        return cls(still, _difference(cells, still).mean(dim=0))

    def change(
        self, frames: UInt8[Tensor, "time 3 height width"]
    ) -> Float[Tensor, "time rows cols"]:
        """Mean absolute difference of frames' patches from the still picture, 0 to 255."""
        return _difference(_cells(frames, *self.still.shape[1:]), self.still)


class EpisodeMotion:
    """The motion of each view of each episode, read once and kept in memory."""

    def __init__(self, data: EpisodeDataset, rows: int, cols: int, by_frame: bool = False) -> None:
        """Remembers what to read, and reads nothing.

        Args:
            data: The episodes.
            rows: Rows of patches in a frame.
            cols: Columns of patches in a frame.
            by_frame: Whether the change of single frames is asked for, beside that of videos.
        """
        self.data, self.rows, self.cols, self.by_frame = data, rows, cols, by_frame
        self._read: dict[tuple[int, str], VideoMotion] = {}

    def of(self, i: int, view: str) -> VideoMotion:
        """The motion of a view of episode `i`.

        Raises:
            DataError: When the file cannot be read.
        """
        if (i, view) not in self._read:
            images = self.data.images(i, view, motion_times(self.data.lengths[i]))
            self._read[i, view] = VideoMotion.of(frames_to_tensor(images), self.rows, self.cols)
        return self._read[i, view]


def motion_times(length: int) -> Int[np.ndarray, " time"]:
    """Time steps of the frames that tell a video's motion."""
    return evenly(length, MOTION_FRAMES)


def most_active(
    activity: Float[Tensor, "batch rows cols"], share: float
) -> Int[Tensor, "batch kept"]:
    """Row-major indices of the patches with the most activity, in ascending order.

    Args:
        activity: Activity of each image's video.
        share: Share of all patches to keep, above 0 and at most 1; at least one is kept.
    """
    flat = activity.flatten(1)
    count = max(1, round(share * flat.shape[1]))
    return flat.topk(count, dim=1).indices.sort(dim=1).values


@dataclass(frozen=True)
class MotionUse:
    """A network's inputs from the motion of videos.

    Attributes:
        rows: Rows of patches in a frame.
        cols: Columns of patches in a frame.
        share: Share of the patches that the network sees; None where it sees whole frames.
        threshold: Change above which a patch counts as a pose patch; None where keypoints tell.
    """

    rows: int
    cols: int
    share: float | None = None
    threshold: float | None = None

    @property
    def any(self) -> bool:
        """Whether the network reads motion at all."""
        return self.share is not None or self.threshold is not None

    def of_episodes(self, data: EpisodeDataset) -> EpisodeMotion | None:
        """The motion of a data set; None where it is not read.

        Raises:
            MismatchError: When the third-person cameras move, so that nothing stands still.
        """
        if not self.any:
            return None
        if data.meta.moving_cameras:
            raise MismatchError(
                f"{data.root}: its third-person cameras move, and --backbone.keep-patches and "
                "--pose-source motion see what moves before a camera that stands still: train "
                "without them, or use data without --moving-cameras."
            )
        return EpisodeMotion(data, self.rows, self.cols, self.threshold is not None)

    def of_video(self, images: UInt8[np.ndarray, "time height width 3"]) -> VideoMotion | None:
        """The motion of a video; None where it is not read."""
        if not self.any:
            return None
        sample = frames_to_tensor(images[motion_times(len(images))])
        return VideoMotion.of(sample, self.rows, self.cols)

    def kept(self, activity: Float[Tensor, "batch rows cols"]) -> Int[Tensor, "batch kept"] | None:
        """The patches that the network sees of frames of such videos; None for all."""
        return None if self.share is None else most_active(activity, self.share)

    def pose_map(self, change: Float[Tensor, "batch rows cols"]) -> Bool[Tensor, "batch patches"]:
        """The patches that move in frames that change like this.

        Raises:
            ValueError: Where keypoints tell the pose map.
        """
        if self.threshold is None:
            raise ValueError("without a threshold, keypoints tell the pose map")
        return change.flatten(1) > self.threshold


def _cells(
    frames: UInt8[Tensor, "time 3 height width"], rows: int, cols: int
) -> Float[Tensor, "time 3 rows cols"]:
    return F.adaptive_avg_pool2d(frames.float(), (rows, cols))


def _difference(
    cells: Float[Tensor, "time 3 cell_rows cell_cols"],
    still: UInt8[Tensor, "3 cell_rows cell_cols"],
) -> Float[Tensor, "time rows cols"]:
    difference = (cells - still).abs()
    return reduce(difference, "t c (r h) (k w) -> t r k", "mean", h=_CELLS, w=_CELLS)
