"""Depth in LeRobot's data sets: raw maps inside the tables, without loss.

LeRobot (from version 0.6, pull request 3644) marks a feature as depth by `is_depth_map`. Raw maps
are TIFF pictures of one channel: whole numbers are millimetres, floats are metres. It also knows
videos of depth quantized to 12 bits, which lose the difference of neighbouring distances; those are
neither written nor read here.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt16
from PIL import Image

from datasets.errors import DamagedDataError, FormatError, MismatchError
from datasets.formats.lerobot_layout import COPY_AGAIN, IMAGES

# What LeRobot adds to the name of a camera for the depth beside its pictures.
ENDING = "_depth"
_MOST = int(np.iinfo(np.uint16).max)
_WHOLE = ("I;16", "I;16L", "I;16B", "I")


def depth_key(view: str) -> str:
    """The feature that holds the depth of a view."""
    return f"{IMAGES}{view}{ENDING}"


def depth_feature(height: int, width: int) -> dict[str, Any]:
    """The feature's entry in `meta/info.json`."""
    return {
        "dtype": "image",
        "shape": [height, width, 1],
        "names": ["height", "width", "channels"],
        "info": {"is_depth_map": True},
    }


def encode_depth(depth: UInt16[np.ndarray, "height width"]) -> bytes:
    """A map in millimetres as a TIFF picture; the same map gives the same bytes."""
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(depth)).save(content, "TIFF", compression="tiff_deflate")
    return content.getvalue()


def decode_depth(
    content: bytes, size: tuple[int, int], name: str
) -> UInt16[np.ndarray, "height width"]:
    """A stored map in millimetres; distances beyond 65.535 m, and what is no number, become 0.

    Args:
        content: A picture of 16 or 32 bits of whole millimetres, or of floats in metres.
        size: Height and width that it must have.
        name: The table, feature and time step, for messages.

    Raises:
        DamagedDataError: When it is no picture.
        FormatError: When its numbers are of another type.
        MismatchError: When it has another size.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            mode, values = picture.mode, np.asarray(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DamagedDataError(f"{name} cannot be read as depth ({error}); {COPY_AGAIN}") from None
    if mode not in (*_WHOLE, "F"):
        raise FormatError(f"{name} is a picture of Pillow's mode {mode}, which is no depth.")
    if values.shape != size:
        raise MismatchError(
            f"{name} is {values.shape[1]} x {values.shape[0]} pixels, not {size[1]} x {size[0]}; "
            f"{COPY_AGAIN}"
        )
    millimetres = np.rint(np.nan_to_num(values) * 1000.0) if mode == "F" else values
    known = (millimetres >= 0) & (millimetres <= _MOST)
    return np.where(known, millimetres, 0).astype(np.uint16)


def depth_histogram(depth: UInt16[np.ndarray, "*shape"]) -> Int64[np.ndarray, "1 levels"]:
    """Number of pixels at each distance in millimetres."""
    return np.bincount(depth.ravel(), minlength=_MOST + 1)[None]
