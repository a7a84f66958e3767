"""Pictures turned and mirrored as a video's header says."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from jaxtyping import UInt8

from datasets.errors import FormatError

# Matrices are stored in fixed point, so that a quarter turn may be off by this angle.
_OFF = math.radians(1)


class Orientation(NamedTuple):
    """A multiple of 90 degrees, and mirroring, by which stored pictures are displayed.

    The pixel that is stored at (x, y) is displayed at (a x + c y, b x + d y), and one of the pairs
    (a, d) and (b, c) is 0.
    """

    a: int
    b: int
    c: int
    d: int

    @classmethod
    def of(cls, video: Path | str, frame: VideoFrame) -> Orientation:
        """The orientation that a video's header gives its frames.

        Raises:
            FormatError: When it is an angle that is no multiple of 90 degrees.
        """
        # Reading side data ties the frame into a cycle of references, which keeps its memory until
        # the garbage collector runs. Do it once a video.
        stored = frame.side_data.get("DISPLAYMATRIX")
        content = bytes(stored) if isinstance(stored, SideData) else bytes(36)
        a, b, _, c, d = struct.unpack("=9i", content)[:5]
        straight, across = math.hypot(a, d), math.hypot(b, c)
        if straight == across == 0:
            return cls(1, 0, 0, 1)
        if min(straight, across) > math.sin(_OFF) * math.hypot(straight, across):
            raise FormatError(
                f"{video} is turned by {abs(frame.rotation)} degrees by its header, which is no "
                "multiple of 90. Encode it upright: ffmpeg -i IN OUT"
            )
        return cls(0, b, c, 0) if across > straight else cls(a, 0, 0, d)

    @property
    def is_sideways(self) -> bool:
        """Whether displayed pictures are as high as stored ones are wide."""
        return self.a == 0

    def apply(
        self, picture: UInt8[np.ndarray, "height width 3"]
    ) -> UInt8[np.ndarray, "height2 width2 3"]:
        """The stored picture as players display it."""
        across, down = self.a, self.d
        if self.is_sideways:
            picture, across, down = picture.transpose(1, 0, 2), self.c, self.b
        return np.ascontiguousarray(picture[:: 1 if down > 0 else -1, :: 1 if across > 0 else -1])
