"""Readers of small files whose every error names the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from datasets.errors import DamagedDataError, DataError, FormatError, MissingDataError

# The skeleton of an hour of video takes some hundred megabytes; a larger file is another kind.
MAX_BYTES = 1 << 30


def read_bytes_file(path: Path) -> bytes:
    """Reads all of a file.

    Raises:
        DataError: When the file cannot be read, or is larger than a gigabyte.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FormatError(f"{path} is larger than {MAX_BYTES} bytes; is it another file?")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise MissingDataError(f"{path} does not exist.") from error
    except OSError as error:
        raise DamagedDataError(f"{path} cannot be read: {error.strerror}.") from error


def read_text_file(path: Path) -> str:
    """Reads UTF-8 text.

    Raises:
        DataError: When the file cannot be read, is not text, or is larger than a gigabyte.
    """
    try:
        return read_bytes_file(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedDataError(f"{path} is not text; copy it again from the data set.") from error


def read_json_file(path: Path) -> Any:
    """Reads JSON.

    Raises:
        DataError: When the file cannot be read or is not JSON.
    """
    try:
        return json.loads(read_text_file(path))
    except DataError:
        raise
    except (ValueError, RecursionError) as error:
        what = " ".join(str(error).split())
        raise DamagedDataError(f"{path} is no whole JSON file ({what}); copy it again.") from error
