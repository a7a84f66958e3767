"""The claim of a process on a run's folder, so that two trainings never write into one.

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
from types import TracebackType
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
        self._file: IO[str] | None = None
        # The other processes of one training follow the first, which torchrun numbers 0.
        if os.environ.get("RANK", "0") != "0":
            return
        folder.mkdir(parents=True, exist_ok=True)
        # Opened without truncation: until the lock is held, the text belongs to its holder.
        self._file = open(folder / CLAIM_NAME, "a+")  # noqa: SIM115 (held until `release`)
        try:
            # A POSIX lock: processes that read data are forks, which must not inherit it.
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(self._file)
            self.release()
            if error.errno not in _NO_LOCKS:
                raise MismatchError(
                    f"{folder} is in use: {holder} trains there. Wait for its end, or choose "
                    "another --out."
                ) from None
            log.warning(
                "%s is on a file system without locks: make sure that no other process trains "
                "there.",
                folder,
            )
            return
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {platform.node()}")
        self._file.flush()

    def release(self) -> None:
        """Ends the claim."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Claim:
        """The claim itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the claim."""
        self.release()


def is_claimed(folder: Path) -> bool:
    """Whether another process trains in a folder, as far as its file system tells."""
    if not (folder / CLAIM_NAME).exists():
        return False
    try:
        Claim(folder).release()
    except MismatchError:
        return True
    return False


def _holder(file: IO[str]) -> str:
    file.seek(0)
    return file.read() or "another process"
