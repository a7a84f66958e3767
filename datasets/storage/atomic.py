"""Files and folders that appear complete or not at all."""

from __future__ import annotations

import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

# Another machine's processes cannot be checked, so its temporary files count as abandoned after
# this many seconds without a write.
ABANDONED_AFTER = 3600.0


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` that replaces it when the block ends without error.

    The content reaches the disk before the name does, so a crash leaves the old file or the new
    one. When the block raises, the temporary file is removed and `path` is untouched.
    """
    temporary = _temporary(path)
    try:
        yield temporary
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yields an empty folder beside `path` that gets its name when the block ends without error.

    When the block raises, the temporary folder is removed.

    Raises:
        FileExistsError: When `path` exists.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists already.")
    temporary = _temporary(path)
    temporary.mkdir()
    try:
        yield temporary
        # With many small files, one call for all of them is much faster than one for each.
        os.sync()
        os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Process and machine distinguish two writers of one file; the leading dot hides it from globs.
    return path.with_name(f".{path.name}.{os.getpid()}@{platform.node()}.tmp")


def remove_leftovers(folder: Path) -> None:
    """Removes the temporary files of killed processes; files that a live one writes stay.

    Whether a process on another machine lives is unknown, so its files are removed after an hour.
    """
    for temporary in folder.glob(".*.tmp"):
        if _abandoned(temporary) and temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        elif _abandoned(temporary):
            temporary.unlink(missing_ok=True)


def _abandoned(temporary: Path) -> bool:
    writer = re.fullmatch(r"\..+\.(\d+)@(.+)\.tmp", temporary.name)
    if writer and writer[2] == platform.node():
        return not psutil.pid_exists(int(writer[1]))
    try:
        return time.time() - temporary.stat().st_mtime > ABANDONED_AFTER
    except FileNotFoundError:
        return False  # the writer has just finished and renamed the file
