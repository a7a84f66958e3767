"""The system's errors while safetensors writes a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from safetensors import SafetensorError


@contextmanager
def as_system_errors() -> Iterator[None]:
    """Raises the system's own error where safetensors cannot write, such as on a full disk.

    Safetensors is written in Rust, and has one error for everything, with the system's number as
    text: `I/O error: No space left on device (os error 28)`.

    Raises:
        OSError: When the system refuses a write inside; names no file.
    """
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error
