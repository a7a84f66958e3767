"""Pictures of other formats as uint8 RGB: converted where only one reading is possible."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from datasets.errors import DamagedDataError, FormatError
from datasets.frames import Picture
from datasets.storage.arrays import own_array

# Pillow's modes of 8 bits a channel. The others (16 bits, floats) have no agreed range.
_MODES = {"1", "L", "P", "LA", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
_CHANNELS = (3, 4, 1)
_STORE = "Store pictures as uint8 of shape (time, height, width, 3)."
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG")


def read_picture(file: Path | bytes, name: str) -> Picture:
    """Decodes a picture file, turned upright as its EXIF data say.

    Args:
        file: The file, or its content.
        name: Name of the picture for messages.

    Raises:
        DamagedDataError: When it cannot be decoded.
        FormatError: When it is too large, has 16 bits a channel, or is partly transparent.
    """
    try:
        with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as picture:
            if picture.mode not in _MODES:
                raise FormatError(
                    f"{name} is a picture of Pillow's mode {picture.mode}, whose range is not "
                    "known. Store it with 8 bits a channel."
                )
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                if picture.getextrema()[3][0] < 255:
                    raise FormatError(f"{name} is partly transparent. Store it without alpha.")
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except FileNotFoundError:
        raise DamagedDataError(f"{name} does not exist. Restore it.") from None
    except Image.DecompressionBombError as error:
        raise FormatError(f"{name} is too large ({error}). Store it at a smaller size.") from None
    # Pillow's own error for a file that is not a picture is an OSError. Damaged files of some
    # formats raise the others.
    except (OSError, SyntaxError, ValueError, EOFError, OverflowError) as error:
        if isinstance(error, FormatError):
            raise
        raise DamagedDataError(
            f"{name} cannot be read as a picture ({error}). Restore it, or leave its episode out."
        ) from error


def frames_shape(pictures: h5py.Dataset, name: str) -> tuple[int, int, int]:
    """Number, height and width of stored pictures; only encoded ones are decoded, one of them.

    Raises:
        DataError: When they are not pictures over time.
    """
    shape: tuple[int, ...] = pictures.shape or ()
    if shape and _encoded(pictures.dtype, shape):
        own_array(pictures)
        first = pictures[:1]
        if not len(first):
            raise FormatError(f"{name} holds no pictures. Leave its episode out.")
        height, width = _decode(first, name).shape[1:3]
        return len(pictures), height, width
    layout = _layout(shape, name)
    height, width = shape[2:4] if layout == "channels first" else shape[1:3]
    return shape[0], height, width


def read_frames(pictures: h5py.Dataset, name: str) -> UInt8[np.ndarray, "time height width 3"]:
    """Reads pictures over time as uint8 RGB.

    Bytes, fractions from 0 to 1 and floats from 0 to 255 are accepted, with channels last or first,
    in colour, grey, or with opaque alpha, and encoded pictures (JPEG, PNG).

    Raises:
        DataError: When they have another form, or one that can be read in two ways.
    """
    return to_frames(np.asarray(own_array(pictures)[()]), name)


def to_frames(pictures: np.ndarray, name: str) -> UInt8[np.ndarray, "time height width 3"]:
    """Converts pictures over time to uint8 RGB, see `read_frames`.

    Raises:
        DataError: When they have another form, or one that can be read in two ways.
    """
    if pictures.ndim and _encoded(pictures.dtype, pictures.shape):
        return _decode(pictures, name)
    layout = _layout(pictures.shape, name)
    values = _as_bytes(pictures, name)
    if layout == "grey":
        values = values[..., None]
    elif layout == "channels first":
        values = np.moveaxis(values, 1, 3)
    if values.shape[3] == 4:
        if (values[..., 3] < 255).any():
            raise FormatError(f"{name} is partly transparent (RGBA). {_STORE}")
        values = values[..., :3]
    return np.ascontiguousarray(np.broadcast_to(values, (*values.shape[:3], 3)))


def _layout(shape: tuple[int, ...], name: str) -> str:
    if len(shape) == 3 and min(shape[1:]) > max(_CHANNELS):
        return "grey"
    if len(shape) == 4 and shape[3] in _CHANNELS:
        return "channels last"
    if len(shape) == 4 and shape[1] in _CHANNELS:
        return "channels first"
    raise FormatError(f"{name} has shape {shape}, which is not that of pictures. {_STORE}")


def _as_bytes(pictures: np.ndarray, name: str) -> np.ndarray:
    if pictures.dtype == np.uint8:
        return pictures
    if pictures.dtype.kind != "f":
        raise FormatError(
            f"{name} has pictures of {pictures.dtype}, whose range is not known. {_STORE}"
        )
    low, high = (float(pictures.min()), float(pictures.max())) if pictures.size else (0.0, 0.0)
    if not 0 <= low <= high <= 255:  # NaN too
        raise FormatError(
            f"{name} has pictures of {pictures.dtype} from {low:g} to {high:g}; known ranges are "
            f"0 to 1 and 0 to 255. {_STORE}"
        )
    if high > 1:
        return np.rint(pictures).astype(np.uint8)
    if high > 0 and ((pictures == 0) | (pictures == 1)).all():
        raise FormatError(
            f"{name} has pictures of {pictures.dtype} of 0 and 1 only: they may be fractions, or "
            f"all but black. {_STORE}"
        )
    # In double precision, so that k / 255 in single precision gives k.
    return np.rint(pictures.astype(np.float64) * 255).astype(np.uint8)


def _encoded(dtype: np.dtype, shape: tuple[int, ...]) -> bool:
    """Whether an array holds one encoded picture a time step: bytes, or padded rows of them."""
    return dtype.kind in "OSV" or (dtype == np.uint8 and len(shape) == 2)


def _decode(encoded: np.ndarray, name: str) -> UInt8[np.ndarray, "time height width 3"]:
    frames = []
    for time, content in enumerate(encoded):
        where = f"{name}, time step {time},"
        if isinstance(content, str):
            raise FormatError(f"{where} is a text, not a picture. {_STORE}")
        data = content.tobytes() if isinstance(content, np.ndarray | np.void) else bytes(content)
        if not data.startswith(_SIGNATURES):
            raise FormatError(f"{where} is neither a JPEG nor a PNG picture. {_STORE}")
        frames.append(read_picture(data, where))
        if frames[-1].shape != frames[0].shape:
            height, width = frames[-1].shape[:2]
            raise FormatError(
                f"{where} is {width} x {height} pixels, the first {frames[0].shape[1]} x "
                f"{frames[0].shape[0]}: the frames of a view must be of one size."
            )
    if not frames:
        raise FormatError(f"{name} holds no pictures. Leave its episode out.")
    return np.stack(frames)
