"""Pictures and arrays as bytes that the page's scripts unpack."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from datasets.pages.content import as_jpeg

# A player is at most about this wide on a screen; a larger picture only takes longer to come.
MOST_PIXELS = 480
# Artefacts of JPEG cannot be seen at this quality; a frame of 112 pixels takes 4 kB.
_QUALITY = 88
# Frames that are sent together: a few, so that the first picture comes at once.
CHUNK = 24


def jpeg(frame: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """A frame as JPEG, made smaller where it is larger than a player."""
    return as_jpeg(frame, _QUALITY, MOST_PIXELS).body


def pack_parts(parts: Sequence[bytes]) -> bytes:
    """Parts behind their number and their lengths, as little-endian 32-bit integers."""
    lengths = [len(parts), *map(len, parts)]
    return struct.pack(f"<{len(lengths)}I", *lengths) + b"".join(parts)


def pack_array(values: Float[np.ndarray, ...]) -> bytes:
    """Numbers from 0 on in 256 steps, behind their number of axes, shape and unit.

    The unit, a 32-bit float, is the value of one step: a value is its byte times the unit.
    """
    unit = float(values.max(initial=0.0)) / 255 or 1.0
    steps = np.rint(values / unit).astype(np.uint8)
    return struct.pack(f"<{values.ndim + 1}If", values.ndim, *values.shape, unit) + steps.tobytes()


def rounded(values: np.ndarray, digits: int) -> Any:
    """Nested lists of numbers with some digits after the point; NaN becomes None."""
    lists = np.round(values.astype(float), digits).astype(object)
    lists[~np.isfinite(values.astype(float))] = None
    return lists.tolist()
