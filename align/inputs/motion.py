"""Where a video changes, from its pixels alone, and what networks read off this.

A video's still picture is the median of some of its frames: with a camera that stands still, the
background without what moves before it. A patch changes where a frame differs from it. Pictures are
compared cell by cell, where a patch has 4 × 4 cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from align.inputs.augment import frames_to_tensor
from align.inputs.sampling import TimeConfig
from align.probe import evenly
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError

# Frames that tell a video's motion, spread over it. Reading them once costs a fifth of a pass over
# videos of 80 frames.
MOTION_FRAMES = 16
# Pictures are compared by the means of this many cells along a side of a patch: single pixels hold
# the noise of a camera or a codec, and 16 times the memory.
_CELLS = 4
# Moving areas are described by the places up to which these shares of their change lie.
_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
# What is divided by where nothing changes.
_TINY = 1e-6


@dataclass(frozen=True, eq=False)
class VideoMotion:
    """Where the frames of a video change, as some frames of it tell.

    Attributes:
        still: The still picture: the median of each cell, 0 to 255.
        activity: Mean difference of the patches from it over these frames.
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
        return cls(still, _of_patches(_difference(cells, still).mean(dim=0)))

    def change(
        self, frames: UInt8[Tensor, "time frames 3 height width"], own: int = 0
    ) -> Float[Tensor, "time kinds cell_rows cell_cols"]:
        """How much the cells of some moments change, 0 to 255.

        Args:
            frames: The frames that are seen for each moment, one or more.
            own: Place of the moment's own frame among them.

        Returns:
            Mean absolute difference of the moment's own frame from the still picture; with several
            frames also that of the last one from the first.
        """
        rows, cols = self.still.shape[1:]
        cells = rearrange(
            _cells(frames.flatten(0, 1), rows, cols), "(t f) c r k -> t f c r k", t=len(frames)
        )
        kinds = [_difference(cells[:, own], self.still)]
        if frames.shape[1] > 1:
            kinds.append(_difference(cells[:, -1], cells[:, 0]))
        return torch.stack(kinds, dim=1)


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

    def pose_map(
        self, change: Float[Tensor, "batch kinds cell_rows cell_cols"]
    ) -> Bool[Tensor, "batch patches"]:
        """The patches that move in moments that change like this, see `VideoMotion.change`.

        Raises:
            ValueError: Where keypoints tell the pose map.
        """
        return _of_patches(change[:, 0]).flatten(1) > self._threshold

    def points(
        self, change: Float[Tensor, "batch kinds cell_rows cell_cols"]
    ) -> Float[Tensor, "batch points 3"]:
        """Points that say where moments change and how far this extends.

        The n-th of a kind's five points has 5, 25, 50, 75 or 95 % of its change above the threshold
        to the left, and as much above it.

        Args:
            change: Of each moment, see `VideoMotion.change`.

        Returns:
            x and y, -1 at the left or upper border and 1 at the other, and 1; zeros where nothing
            moves. It is the form of `align.models.late_pose.describe_keypoints`.

        Raises:
            ValueError: Where keypoints tell the pose.
        """
        above = (change - self._threshold).clamp(min=0)
        x, y = (_shared_out(above.sum(dim)) for dim in (-2, -1))
        seen = (above.sum(dim=(-2, -1)) > 0)[..., None].expand(x.shape).float()
        return torch.stack([x * seen, y * seen, seen], dim=-1).flatten(1, 2)

    @property
    def _threshold(self) -> float:
        if self.threshold is None:
            raise ValueError("without a threshold, keypoints tell the pose map")
        return self.threshold


def num_points(time: TimeConfig) -> int:
    """Number of the points of `MotionUse.points`, where these frames are seen for each moment."""
    return len(_SHARES) * (2 if time.frames > 1 else 1)


def _shared_out(profile: Float[Tensor, "*batch cells"]) -> Float[Tensor, "*batch shares"]:
    """Places from -1 to 1 up to which the shares of a profile lie, within cells too."""
    shares, count = profile.new_tensor(_SHARES), profile.shape[-1]
    share = profile / profile.sum(dim=-1, keepdim=True).clamp(min=_TINY)
    upto = share.cumsum(dim=-1)
    cell = (upto[..., None, :] < shares[:, None]).sum(dim=-1).clamp(max=count - 1)
    inside, before = share.gather(-1, cell), (upto - share).gather(-1, cell)
    part = ((shares - before) / inside.clamp(min=_TINY)).clamp(0, 1)
    return 2 * (cell + part) / count - 1


def _cells(
    frames: UInt8[Tensor, "time 3 height width"], rows: int, cols: int
) -> Float[Tensor, "time 3 rows cols"]:
    return F.adaptive_avg_pool2d(frames.float(), (rows, cols))


def _difference(
    cells: Float[Tensor, "time 3 rows cols"], others: UInt8[Tensor, "3 rows cols"] | Tensor
) -> Float[Tensor, "time rows cols"]:
    return (cells - others).abs().mean(dim=1)


def _of_patches(
    change: Float[Tensor, "*time cell_rows cell_cols"],
) -> Float[Tensor, "*time rows cols"]:
    return reduce(change, "... (r h) (k w) -> ... r k", "mean", h=_CELLS, w=_CELLS)
