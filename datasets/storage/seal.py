"""Seals: an episode file begins with a SHA-256 digest of the rest of its bytes.

A seal lies in HDF5's user block, the bytes before the content that HDF5 leaves to the application,
so every reader of HDF5 opens a sealed file unchanged. Checking a seal takes a thousandth of the
time that decoding the frames takes. A file that was edited no longer matches its seal.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from datasets.errors import DamagedDataError

# The smallest user block that HDF5 has.
SEAL_SIZE = 512
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SEAL = re.compile(rb"posealign episode\nsha256 ([0-9a-f]{64})\n")


def _seal_of(content: memoryview) -> bytes:
    # The seal is text that a person can check: `tail -c +513 FILE | sha256sum`.
    line = f"posealign episode\nsha256 {hashlib.sha256(content).hexdigest()}\n"
    return line.encode().ljust(SEAL_SIZE, b"\0")


def seal(file: bytearray | memoryview) -> None:
    """Fills in the user block of an HDF5 file that was made with `userblock_size=SEAL_SIZE`.

    The file is large, so it is changed in place.

    Raises:
        ValueError: When the file has no such user block.
    """
    if file[SEAL_SIZE : SEAL_SIZE + len(HDF5_SIGNATURE)] != HDF5_SIGNATURE:
        raise ValueError(f"the file has no user block of {SEAL_SIZE} bytes.")
    file[:SEAL_SIZE] = _seal_of(memoryview(file)[SEAL_SIZE:])


def read_seal(path: Path) -> str | None:
    """The digest that a file begins with, in hexadecimal; None for a file without a seal.

    It is read, not checked, so this takes the time to read `SEAL_SIZE` bytes.
    """
    with path.open("rb") as file:
        found = _SEAL.match(file.read(SEAL_SIZE))
    return found[1].decode() if found else None


def is_broken(path: Path) -> bool:
    """Whether a file has a seal that does not fit the rest of its bytes."""
    try:
        require_intact(path)
    except DamagedDataError:
        return True
    return False


def require_intact(path: Path) -> bool:
    """Compares a file with its seal.

    Returns:
        Whether the file has a seal; older files and files by others have none.

    Raises:
        DamagedDataError: When the bytes do not match the seal.
    """
    file = path.read_bytes()
    if file.startswith(HDF5_SIGNATURE):
        return False
    if file[:SEAL_SIZE] != _seal_of(memoryview(file)[SEAL_SIZE:]):
        raise DamagedDataError(f"{path} is damaged: its bytes are not those that were written.")
    return True
