"""A file that HDF5 can always finish and close, also on a full disk."""

from __future__ import annotations

import io
import os
from pathlib import Path


class SteadyFile(io.RawIOBase):
    """A file object for `h5py.File` that keeps the system's error to itself until it is asked.

    HDF5 cannot close a file whose writing fails: it keeps the file in memory, and crashes when the
    program ends. From the first error on, this object keeps what is written in memory. The caller
    asks for the error often, and stops writing then.
    """

    def __init__(self, path: Path) -> None:
        """Makes the file, or empties it.

        Raises:
            OSError: When it cannot be made.
        """
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        self._position = self._size = 0
        self._kept: list[tuple[int, bytes]] = []  # place and content, in the order of writing
        self._error: OSError | None = None

    def require_written(self) -> None:
        """Checks that all that was written so far has reached the file.

        Raises:
            OSError: The error of the first write that failed.
        """
        if self._error is not None:
            raise self._error

    def write(self, content: object) -> int:
        """Writes all of the content at the position, to the disk or to memory."""
        data = bytes(memoryview(content).cast("B"))  # type: ignore[arg-type]
        place, self._position = self._position, self._position + len(data)
        self._size = max(self._size, self._position)
        if self._error is None:
            try:
                _write_all(self._descriptor, data, place)
            except OSError as error:
                self._error = error
        if self._error is not None:
            self._kept.append((place, data))
        return len(data)

    def readinto(self, buffer: object) -> int:
        """Reads from the position what was written there last."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        start, end = self._position, min(self._position + len(view), self._size)
        count = max(0, end - start)
        content = bytearray(os.pread(self._descriptor, count, start).ljust(count, b"\0"))
        for place, data in self._kept:
            low, high = max(start, place), min(end, place + len(data))
            if low < high:
                content[low - start : high - start] = data[low - place : high - place]
        view[:count] = content
        self._position = start + count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves the position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def truncate(self, size: int | None = None) -> int:
        """Cuts the file or lengthens it with zeros."""
        self._size = self._position if size is None else size
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError as error:
            self._error = self._error or error
        return self._size

    def close(self) -> None:
        """Closes the file."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def _write_all(descriptor: int, data: bytes, place: int) -> None:
    while data:
        count = os.pwrite(descriptor, data, place)
        data, place = data[count:], place + count
