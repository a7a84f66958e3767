"""Failures to read batches, in this process or in others, told in one line with a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from datasets.errors import DataError


@contextmanager
def reading_batches() -> Iterator[None]:
    """What is done while a loader reads belongs in here.

    A process that reads data and dies is told of by a signal, wherever this one is at that time.

    Raises:
        DataError: When data cannot be read, or a process that reads it dies.
    """
    try:
        yield
    except DataError as error:
        raise DataError(_told_last(str(error))) from error
    except RuntimeError as error:
        # How torch tells of a process that was killed.
        if "DataLoader worker" not in str(error):
            raise
        raise DataError(
            f"a process that reads data has died ({error}). It was killed, or had too little "
            "memory: use --resume on a machine with more of it, or with fewer --workers in the "
            "run's config.json."
        ) from error


def _told_last(message: str) -> str:
    """What an error from another process said: torch puts its traceback before it."""
    return message.rpartition(f"{DataError.__module__}.{DataError.__qualname__}: ")[2].strip()
