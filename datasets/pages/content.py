"""Requests of a page, and their answers."""

from __future__ import annotations

import io
import json
from typing import Any, NamedTuple

from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

JSON, BINARY = "application/json", "application/octet-stream"
JPEG, PNG = "image/jpeg", "image/png"


class Content(NamedTuple):
    """Bytes of a media type."""

    kind: str
    body: bytes


class NoContentError(LookupError):
    """Raised for a path that names nothing."""


def as_json(value: Any) -> Content:
    """A value as JSON."""
    return Content(JSON, json.dumps(value, separators=(",", ":"), allow_nan=False).encode())


def as_picture(image: Image.Image, kind: str, **options: Any) -> Content:
    """A picture in the format of a media type; see `PIL.Image.Image.save` for the options."""
    buffer = io.BytesIO()
    image.save(buffer, kind.rpartition("/")[2], **options)
    return Content(kind, buffer.getvalue())


def as_jpeg(
    frame: UInt8[ndarray, "height width 3"], quality: int, most: int | None = None
) -> Content:
    """A frame as JPEG.

    Args:
        frame: The frame.
        quality: From 0 to 100.
        most: The longest side of the picture, in pixels; by default the frame's own.
    """
    picture = Image.fromarray(frame)
    if most is not None:
        picture.thumbnail((most, most), Image.Resampling.LANCZOS)
    return as_picture(picture, JPEG, quality=quality)
