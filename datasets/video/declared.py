"""Values in the headers of Matroska, MP4 and AVI files that FFmpeg does not pass on."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

# The first bytes of a Matroska file and of its second element (RFC 8794, RFC 9559).
_HEADER, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
# Size in bytes of a box's size and name, and of the longer size that may follow (ISO 14496-12).
_BOX, _LONG = 8, 8
# Bytes that are read of the table of durations: one entry of 8 bytes serves for all frames of a
# constant rate.
_DURATIONS = 1 << 20
# The video stream of an AVI file is described within so many bytes of the beginning.
_AVI_HEADER = 4096


def is_fragmented(video: Path) -> bool:
    """Whether an MP4 file holds fragments, whose frames its header does not count."""
    with video.open("rb") as file:
        return any(_find(file, [b"moof"], 0, file.seek(0, 2)))


def impossible_times(video: Path) -> str | None:
    """Declared values of an MP4 or AVI file whose frames have no times; None where they have some.

    FFmpeg replaces such values by a guess.
    """
    with video.open("rb") as file:
        if file.read(4) == b"RIFF":
            return _impossible_rate(file.read(_AVI_HEADER))
        for start, end in _find(file, [b"moov", b"trak", b"mdia"], 0, file.seek(0, 2)):
            if problem := _impossible_in_track(file, start, end):
                return problem
    return None


def _impossible_rate(header: bytes) -> str | None:
    # The description of a stream: type, codec, flags, priority, language, first frame, and the
    # rate as a fraction whose denominator comes first.
    at = header.find(b"vids") + 20
    if at < 20 or len(header) < at + 8:
        return None
    scale, rate = struct.unpack_from("<II", header, at)
    return None if scale and rate else f"a rate of {rate} / {scale} frames a second"


def _impossible_in_track(file: BinaryIO, start: int, end: int) -> str | None:
    def content(*path: bytes) -> bytes:
        at, stop = next(_find(file, path, start, end), (0, 0))
        file.seek(at)
        return file.read(min(stop - at, _DURATIONS))

    if content(b"hdlr")[8:12] != b"vide":
        return None
    head = content(b"mdhd")
    # Version and flags, then times of creation and change, which version 1 stores in 8 bytes.
    unit = head[20:24] if head[:1] == b"\1" else head[12:16]
    if unit == bytes(4):
        return "a time unit of 1 / 0 s"
    table = content(b"minf", b"stbl", b"stts")[8:]
    for count, duration in struct.iter_unpack(">Ii", table[: len(table) // 8 * 8]):
        # Many writers give the last frame no duration.
        if duration < 0 or (duration == 0 and count > 1):
            return f"{count} frames that last {duration} units of time"
    return None


def _find(file: BinaryIO, path: Sequence[bytes], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Begin and end of the content of each box of an MP4 file at a path of names."""
    while start + _BOX <= end:
        file.seek(start)
        size, name, head = int.from_bytes(file.read(4), "big"), file.read(4), _BOX
        if size == 1:
            size, head = int.from_bytes(file.read(_LONG), "big"), _BOX + _LONG
        if size < head:  # 0: the box reaches to the end of the file; others are invalid
            return
        if name == path[0]:
            found = start + head, min(start + size, end)
            if len(path) == 1:
                yield found
            else:
                yield from _find(file, path[1:], *found)
        start += size


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
