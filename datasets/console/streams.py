"""The streams of a command: texts that any console can show, and errors in one line."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm


def print_error(error: object) -> None:
    """Print an error in one line on stderr, with the control characters of names escaped."""
    with tqdm.external_write_mode(file=sys.stderr):  # not behind a progress bar, but above it
        print(f"error: {printable(str(error), keep='')}", file=sys.stderr)


def printable(text: str, keep: str = "\n\t\r") -> str:
    """Escape characters of a text that could move the cursor or recolour a terminal.

    Names come from files, and may hold anything.

    Args:
        text: The text.
        keep: Control characters that are not escaped.
    """
    return "".join(
        c if c.isprintable() or c in keep or c == "\N{NO-BREAK SPACE}" else _escape(c) for c in text
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


@contextmanager
def named_stdout() -> Iterator[None]:
    """Give errors of stdout, as on a full disk, a name that a message can show."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), "the standard output") from error


class Printable(io.TextIOBase):
    """A stream that escapes what could move the cursor or recolour a terminal."""

    def __init__(self, stream: Any) -> None:
        """Wrap an open text stream."""
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text with its control characters escaped."""
        with named_stdout():
            self._stream.write(printable(text))
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        with named_stdout():
            self._stream.flush()

    def fileno(self) -> int:
        """The stream's file descriptor."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's encoding."""
        return self._stream.encoding


class PrintableFormatter(logging.Formatter):
    """Formats log records with control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record."""
        return printable(super().format(record))


def steady_streams() -> None:
    """Give this process streams that take every text, whatever its console shows.

    A console of ASCII characters takes no arrows, and none takes the names of files that are not in
    UTF-8. Python sets a stream to None that was closed before the start.
    """
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 (open as long as the process)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
