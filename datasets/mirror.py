"""Mirror images of frames, with the keypoints where a left hand has become a right one."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from datasets.skeletons import Skeleton


def mirror(
    frames: UInt8[np.ndarray, "time height width 3"],
    keypoints: Float[np.ndarray, "time keypoints 2"],
    skeleton: Skeleton,
) -> tuple[UInt8[np.ndarray, "time height width 3"], Float[np.ndarray, "time keypoints 2"]]:
    """Mirrors frames left to right.

    Args:
        frames: RGB.
        keypoints: Pixels of `frames`, x right, y down.
        skeleton: Tells which keypoints change places; what else is stored for each of them, such
            as whether it is visible, has to follow `skeleton.mirrored`.
    """
    flipped = keypoints[:, skeleton.mirrored].copy()
    flipped[..., 0] = frames.shape[2] - flipped[..., 0]
    return np.ascontiguousarray(frames[:, :, ::-1]), flipped
