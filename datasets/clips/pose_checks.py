"""Whether poses fit the video that they are said to belong to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from datasets.errors import FormatError, MismatchError
from datasets.video import VideoShape

# Frames by which poses and video may differ: pose estimators skip some at the ends.
_FRAMES, _SHARE = 3, 0.1
# Coordinates this small, in pixels, are shares of the picture.
_SHARES = 1.5


def require_fitting(
    keypoints: Float[np.ndarray, "time keypoints 2"], shape: VideoShape, poses: Path
) -> None:
    """Checks that keypoints can be of a video.

    Args:
        keypoints: In pixels of the video, NaN where missing.
        shape: The video's shape.
        poses: File or folder of the poses, for messages.

    Raises:
        FormatError: When there is nobody in any frame, or coordinates are not in pixels.
        MismatchError: When the poses are of a longer, shorter or larger video.
    """
    found = keypoints[np.isfinite(keypoints).all(axis=-1)]
    if not len(found):
        raise FormatError(
            f"{poses} has nobody in any frame; extract its poses again, or leave its clip out."
        )
    require_same_length(len(keypoints), shape, poses)
    size = np.array([shape.width, shape.height])
    if np.abs(found).max() <= _SHARES < size.min():
        raise FormatError(
            f"{poses} has coordinates from {found.min():.2g} to {found.max():.2g}, which are "
            f"shares of the picture; multiply x by {shape.width} and y by {shape.height} pixels "
            "(OpenPose: --keypoint_scale 0)."
        )
    outside = ((found < -0.5 * size) | (found > 1.5 * size)).any(axis=-1)
    if outside.mean() > 0.5:
        raise MismatchError(
            f"{poses} has {outside.mean():.0%} of its keypoints far outside the video's picture of "
            f"{shape.width} x {shape.height} pixels, as poses of another size have; scale them."
        )


def require_same_length(frames: int, shape: VideoShape, poses: Path) -> None:
    """Checks that poses have about as many frames as their video; see `require_fitting`."""
    if abs(frames - shape.frames) > max(_FRAMES, _SHARE * shape.frames):
        raise MismatchError(
            f"{poses} has poses of {frames} frames, its video has {shape.frames}; copy both "
            "again, extract its poses again, or leave its clip out."
        )
