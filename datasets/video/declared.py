"""What the headers of Matroska and MP4 files say of the file itself."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

# The first bytes of a Matroska file and of its second element (RFC 8794, RFC 9559).
_HEADER, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
# Size in bytes of a box's size and name, and of the longer size that may follow (ISO 14496-12).
_BOX, _LONG = 8, 8


def is_fragmented(video: Path) -> bool:
    """Whether an MP4 file holds fragments, whose frames its header does not count."""
    with video.open("rb") as file:
        end, at = file.seek(0, 2), 0
        while at + _BOX <= end:
            file.seek(at)
            size, name = int.from_bytes(file.read(4), "big"), file.read(4)
            if name == b"moof":
                return True
            if size == 1:
                size = int.from_bytes(file.read(_LONG), "big")
            if size < _BOX:  # 0: the box reaches to the end of the file; others are invalid
                return False
            at += size
    return False


def declared_size(video: Path) -> int | None:
    """Size in bytes that a Matroska file's header declares.

    None for other files, and where the recorder did not know the size.
    """
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
    """Reads a Matroska size: the leading zero bits of its first byte give its length, 1 to 8 bytes.

    None where the file ends, or where all bits are set, which means unknown.
    """
    first = file.read(1)
    length = 9 - first[0].bit_length() if first else 9
    rest = file.read(length - 1)
    if length > 8 or len(rest) < length - 1:
        return None
    unknown = (1 << 7 * length) - 1
    size = int.from_bytes(first + rest, "big") & unknown
    return None if size == unknown else size
