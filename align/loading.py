"""Batches from a loader, whose failures are told in one line that names a remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from datasets.errors import DataError

Batch = TypeVar("Batch")


def read_batches(loader: Iterable[Batch]) -> Iterator[Batch]:
    """The batches of a loader, whether it reads in this process or in others.

    Raises:
        DataError: When data cannot be read, or a process that reads it dies.
    """
    try:
        yield from loader
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
