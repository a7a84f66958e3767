"""Pictures turned and mirrored as a video's header says."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from jaxtyping import UInt8

from datasets.errors import FormatError

# Matrices are stored in fixed point, so that a quarter turn may be off by this angle.
_OFF = math.radians(1)


def lies_on_its_side(video: Path | str, frame: VideoFrame) -> bool:
    """Whether a stored frame is as wide as the displayed one is high.

    Raises:
        FormatError: When the header turns it by an angle that is no multiple of 90 degrees.
    """
    a, b, c, d = _matrix(frame)
    straight, across = math.hypot(a, d), math.hypot(b, c)
    if min(straight, across) > math.sin(_OFF) * math.hypot(straight, across):
        raise FormatError(
            f"{video} is turned by {abs(frame.rotation)} degrees by its header, which is no "
            "multiple of 90. Encode it upright: ffmpeg -i IN OUT"
        )
    return across > straight


def upright(
    video: Path | str, frame: VideoFrame, picture: UInt8[np.ndarray, "height width 3"]
) -> UInt8[np.ndarray, "height2 width2 3"]:
    """The stored picture of a frame as players display it.

    Raises:
        FormatError: When the header turns it by an angle that is no multiple of 90 degrees.
    """
    a, b, c, d = _matrix(frame)
    # A pixel that is stored at (x, y) is displayed at (a x + c y, b x + d y).
    if lies_on_its_side(video, frame):
        picture, a, d = picture.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(picture[:: 1 if d > 0 else -1, :: 1 if a > 0 else -1])


def _matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    stored = frame.side_data.get("DISPLAYMATRIX")
    content = bytes(stored) if isinstance(stored, SideData) else bytes(36)
    a, b, _, c, d = struct.unpack("=9i", content)[:5]
    return (a, b, c, d) if any((a, b, c, d)) else (1, 0, 0, 1)
