"""How long a Matroska or WebM file is by its own header: its frames can end anywhere unnoticed."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

# What the two elements of a file begin with (RFC 8794, RFC 9559).
_HEADER, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def declared_size(video: Path) -> int | None:
    """Bytes of the whole file; None for other files, and where a recorder could not tell."""
    with video.open("rb") as file:
        if file.read(4) != _HEADER:
            return None
        header = _read_size(file)
        if header is None:
            return None
        file.seek(header, 1)
        if file.read(4) != _SEGMENT:
            return None
        segment = _read_size(file)
        return None if segment is None else file.tell() + segment


def _read_size(file: BinaryIO) -> int | None:
    """A number of 1 to 8 bytes, as many as its first bit that is set says; all ones is unknown."""
    first = file.read(1)
    length = 9 - first[0].bit_length() if first else 9
    rest = file.read(length - 1)
    if length > 8 or len(rest) < length - 1:
        return None
    unknown = (1 << 7 * length) - 1
    size = int.from_bytes(first + rest, "big") & unknown
    return None if size == unknown else size
