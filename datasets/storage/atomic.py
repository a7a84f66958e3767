"""Files and folders that appear complete or not at all."""

from __future__ import annotations

import errno
import os
import platform
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from datasets.errors import OptionError

# Ends the name of every temporary file of this project, so that no file of a user is taken for one.
SUFFIX = ".posealign.tmp"
# The system's errors of a disk that takes no more: EFBIG is the user's own limit (ulimit -f).
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# Process and machine distinguish two writers of one file; the leading dot hides it from globs.
_TEMPORARY = re.compile(rf"\.(?P<name>.+)\.(?P<process>\d+)@(?P<machine>[^/]+){re.escape(SUFFIX)}")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` that replaces it when the block ends without error.

    The content reaches the disk before the name does, so a crash leaves the old file or the new
    one. When the block raises, the temporary file is removed and `path` is untouched.

    Raises:
        OSError: When the file cannot be written; names `path`.
    """
    temporary = _temporary(path)
    try:
        with named_in_errors(temporary, path):
            yield temporary
            descriptor = os.open(temporary, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, path)
    finally:
        with suppress(OSError):  # it is gone, or its disk has become read-only
            temporary.unlink()


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yields an empty folder beside `path` that gets its name when the block ends without error.

    When the block raises, the temporary folder is removed.

    Raises:
        FileExistsError: When `path` exists.
        OSError: When a file in the folder cannot be written; names the file as it would be called.
    """
    if path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    temporary = _temporary(path)
    # A killed process may have had the number of this one, as the first process of a container has.
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with named_in_errors(temporary, path):
            temporary.mkdir()
            yield temporary
            # With many small files, one call for all of them is much faster than one for each.
            os.sync()
            os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def named_in_errors(temporary: Path, path: Path) -> Iterator[None]:
    """Names `path` in the system's errors that name a temporary path, or that name none.

    Pillow, pyarrow and Python's own writing name no file when a disk is full.
    """
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        named = temporary if error.filename is None else Path(os.fsdecode(error.filename))
        known = number in (FULL if error.filename is None else errno.errorcode)
        if not known or not named.is_relative_to(temporary):
            raise
        place = path / named.relative_to(temporary)
        raise OSError(number, os.strerror(number), str(place)) from error


def require_writable(path: Path) -> None:
    """Checks that a file or folder could be made at `path`, before work that takes long.

    Raises:
        OSError: When a folder above is a file or cannot be written, or the name is too long.
    """
    folder = next(above for above in path.absolute().parents if above.exists())
    if not folder.is_dir():
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if len(os.fsencode(_temporary_name(path))) > os.pathconf(folder, "PC_NAME_MAX"):
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
    effective = os.access in os.supports_effective_ids
    if os.access(folder, os.W_OK | os.X_OK, effective_ids=effective):
        return
    read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    number = errno.EROFS if read_only else errno.EACCES
    raise OSError(number, os.strerror(number), str(folder))


def require_no_input(option: str, out: Path, inputs: Iterable[Path]) -> None:
    """Checks that a file to write is none of the files that are read.

    Raises:
        OptionError: When it is; names the option.
    """
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise OptionError(f"{option} {out} is a file that is read: choose another name.")


def _temporary(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(_temporary_name(path))


def _temporary_name(path: Path) -> str:
    return f".{path.name}.{os.getpid()}@{platform.node()}{SUFFIX}"


def remove_leftovers(folder: Path, of: str | None = None) -> None:
    """Removes the temporary files of this machine's killed processes.

    Files that a live process writes stay, and so do those of other machines, whose processes cannot
    be seen from here.

    Args:
        folder: A folder that this project writes.
        of: Name of the one file or folder whose leftovers are removed, where the folder around it
            belongs to the user; by default those of all files in the folder.
    """
    for temporary in folder.glob(f".*{SUFFIX}"):
        parts = _TEMPORARY.fullmatch(temporary.name)
        if parts is None or of not in (None, parts["name"]):
            continue
        if parts["machine"] != platform.node() or psutil.pid_exists(int(parts["process"])):
            continue
        if temporary.is_dir() and not temporary.is_symlink():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
