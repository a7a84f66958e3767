"""The system's errors where safetensors reads and writes files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open


def open_tensors(path: Path, framework: str = "pt") -> Any:
    """Opens a file of tensors.

    Raises:
        OSError: When it is missing or cannot be read; names the file.
        SafetensorError: When it is damaged.
    """
    # Safetensors calls a locked file missing, and has no name for a folder.
    path.open("rb").close()
    return safe_open(path, framework=framework)


@contextmanager
def as_system_errors(path: Path) -> Iterator[None]:
    """Raises the system's own error where safetensors cannot write a file, as on a full disk.

    Safetensors is written in Rust, and has one error for everything, with the system's number as
    text: `I/O error: No space left on device (os error 28)`.

    Raises:
        OSError: When the system refuses a write inside; names the file.
    """
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
