"""Whether poses fit the video that they are said to belong to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from datasets.errors import FormatError, MismatchError
from datasets.skeletons import Skeleton
from datasets.video import VideoShape

# What helps where files are not whole: the poses and their video.
COPY = "copy both again"
# Frames by which poses and video may differ: pose estimators skip some at the ends.
_FRAMES, _SHARE = 3, 0.1
# Coordinates this small, in pixels, are shares of the picture.
_SHARES = 1.5
# Below 0 only shares from -1 to 1 come as far as this.
_CENTRED = -0.1
# The smallest person, as a share of the picture's diagonal: Smarthome's are five times as large.
_SMALLEST = 0.02
# Bones as long as in another order of the numbers are at most this share of those as read.
_OTHER_ORDER = 0.5


def require_fitting(
    keypoints: Float[np.ndarray, "time keypoints 2"],
    shape: VideoShape,
    poses: Path,
    pictured: tuple[int, int] | None = None,
    remedy: str = "extract its poses again",
) -> None:
    """Checks that keypoints can be of a video.

    Args:
        keypoints: In pixels of the video, NaN where missing.
        shape: The video's shape.
        poses: File or folder of the poses, for messages.
        pictured: Width and height of the picture in whose pixels the file is; the video's by
            default.
        remedy: Where whole poses come from, for messages.

    Raises:
        FormatError: When there is nobody in any frame, or coordinates are not in pixels.
        MismatchError: When the poses are of a longer, shorter, larger or smaller video.
    """
    found = keypoints[np.isfinite(keypoints).all(axis=-1)]
    if not len(found):
        raise FormatError(f"{poses} has nobody in any frame; {remedy}, or leave its clip out.")
    require_same_length(len(keypoints), shape, poses, remedy)
    size = np.array([shape.width, shape.height])
    width, height = pictured or (shape.width, shape.height)
    stored = found * (width / shape.width)
    if np.abs(stored).max() <= _SHARES < size.min():
        raise FormatError(
            f"{poses} has coordinates from {stored.min():.2g} to {stored.max():.2g}, which are "
            f"shares of the picture; {_in_pixels(float(stored.min()), width, height)}."
        )
    outside = ((found < -0.5 * size) | (found > 1.5 * size)).any(axis=-1)
    if outside.mean() > 0.5:
        raise MismatchError(
            f"{poses} has {outside.mean():.0%} of its keypoints far outside the video's picture of "
            f"{shape.width} x {shape.height} pixels, as poses of another size have; "
            f"{_scaled(pictured)}."
        )
    person = _extent(keypoints)
    # Keypoints at one place are no smaller picture.
    if 0 < person < _SMALLEST * np.hypot(*size):
        raise MismatchError(
            f"{poses} has a person of {person:.1f} pixels in a picture of {shape.width} x "
            f"{shape.height}, as poses of another size have; {_scaled(pictured)}."
        )


def _in_pixels(least: float, width: int, height: int) -> str:
    """How shares of a picture become its pixels."""
    if least < _CENTRED:
        how = f"add 1, then multiply x by {width / 2:g} and y by {height / 2:g} pixels"
    else:
        how = f"multiply x by {width} and y by {height} pixels"
    return f"{how} (OpenPose: --keypoint_scale 0)"


def _scaled(pictured: tuple[int, int] | None) -> str:
    if pictured is None:
        return "scale them to its pixels"
    return f"the file needs pixels of {pictured[0]} x {pictured[1]}, whatever the video's size"


def _extent(keypoints: Float[np.ndarray, "time keypoints 2"]) -> float:
    """The median diagonal of the person's box, over the frames with half of the keypoints.

    Infinite where no frame has as many.
    """
    seen = keypoints[np.isfinite(keypoints).all(axis=-1).mean(axis=1) >= 0.5]
    if not len(seen):
        return float("inf")
    size = np.nanmax(seen, axis=1) - np.nanmin(seen, axis=1)
    return float(np.median(np.hypot(*size.T.astype(np.float64))))


def require_by_axes(
    keypoints: Float[np.ndarray, "time keypoints 2"], skeleton: Skeleton, poses: Path
) -> None:
    """Checks that a list of numbers held all x and then all y, not x and y in turn.

    In the wrong order, bones join places all over the body, and are longer.

    Raises:
        FormatError: When the bones are much shorter in the other order.
    """
    whole = keypoints[np.isfinite(keypoints).all(axis=(1, 2))]
    if not len(whole):
        return
    in_turn = whole.transpose(0, 2, 1).reshape(whole.shape)
    if _bones(in_turn, skeleton) < _OTHER_ORDER * _bones(whole, skeleton):
        raise FormatError(
            f"{poses} has x and y of one keypoint after the other; write all x, then all y."
        )


def _bones(points: Float[np.ndarray, "time keypoints 2"], skeleton: Skeleton) -> float:
    """The mean length of the bones, in diagonals of the person's box."""
    start, end = np.array(skeleton.bones).T
    lengths = np.hypot(*np.moveaxis(points[:, start] - points[:, end], -1, 0)).mean(axis=1)
    diagonal = np.hypot(*np.ptp(points, axis=1).T)
    return float((lengths / np.maximum(diagonal, 1)).mean())


def require_same_length(
    frames: int, shape: VideoShape, poses: Path, remedy: str = "extract its poses again"
) -> None:
    """Checks that poses have about as many frames as their video; see `require_fitting`."""
    if abs(frames - shape.frames) > max(_FRAMES, _SHARE * shape.frames):
        remedies = ", ".join(dict.fromkeys((COPY, remedy)))
        raise MismatchError(
            f"{poses} has poses of {frames} frames, its video has {shape.frames}; {remedies}, or "
            "leave its clip out."
        )
