"""The claim of a process on a folder, so that two never write into one: a run's, or a table's.

The claim is a lock that the kernel holds for the process on a file in the folder. It ends with the
process, however that ends, so no claim of a dead process has to be found and removed. The file
stays; its text only serves the message.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import platform
from pathlib import Path
from typing import IO

from datasets.errors import MismatchError

log = logging.getLogger(__name__)

CLAIM_NAME = ".claim"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


class Claim:
    """This process's claim on a folder; within one process, a second claim is the same one."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder if need be, and claims it.

        Raises:
            MismatchError: When another process has claimed it; names the process.
            OSError: When the folder cannot be written.
        """
        self._path: Path | None = None
        self._file: IO[str] | None = None
        # The other processes of one training follow the first, which torchrun numbers 0.
        if os.environ.get("RANK", "0") != "0":
            return
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / CLAIM_NAME
        self._file = _locked(self._path)
        self._sign(self._file, self._path)

    @staticmethod
    def _sign(file: IO[str], path: Path) -> None:
        file.truncate(0)
        try:
            # Unbuffered, because text that a full disk refuses would be written again at the end.
            os.write(file.fileno(), f"process {os.getpid()} on {platform.node()}".encode())
        except OSError as error:
            file.close()
            raise OSError(error.errno, os.strerror(error.errno or 0), str(path)) from None

    def __enter__(self) -> Claim:
        """The claim, for a command that holds it to its end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the claim, and removes the folder where nothing was written."""
        self.abandon()

    def release(self) -> None:
        """Ends the claim."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def abandon(self) -> None:
        """Ends the claim, and removes the folder where nothing else is in it."""
        if self._path is not None and {*self._path.parent.iterdir()} == {self._path}:
            self._path.unlink()
            self._path.parent.rmdir()
        self.release()


def is_claimed(folder: Path) -> bool:
    """Whether another process writes into a folder, as far as its file system tells."""
    if not (folder / CLAIM_NAME).exists():
        return False
    try:
        Claim(folder).release()
    except MismatchError:
        return True
    return False


def _locked(path: Path) -> IO[str]:
    while True:
        # Opened without truncation: until the lock is held, the text belongs to its holder.
        file = open(path, "a+")  # noqa: SIM115 (open while the claim lasts)
        try:
            # A POSIX lock: processes that read data are forks, which must not inherit it.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                log.warning("%s: no locks here, so let no other process write there", path.parent)
                return file
            with file:
                file.seek(0)
                holder = file.read() or "another process"
            raise MismatchError(
                f"{path.parent} is in use: {holder} writes there. Wait for its end, or choose "
                "another --out."
            ) from None
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # its last holder has just abandoned the folder
