"""Failures to read batches, in this process or in others, told in one line with a remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Int64

from datasets.errors import DataError


def reading_processes(wanted: int | None) -> int:
    """Processes that read data: as wanted, else none on a CPU and up to 8 beside a GPU."""
    if wanted is not None:
        return wanted
    return min(8, os.cpu_count() or 1) if torch.cuda.is_available() else 0


@lru_cache(maxsize=2)
def order_of_pass(count: int, seed: int, passes: int) -> Int64[np.ndarray, " count"]:
    """The order in which the pass of this number goes over `count` items.

    Remembered, since every sample asks for it and a million items take longer to shuffle than one
    to read.
    """
    # The leading number keeps the streams of orders and of samples apart.
    return np.random.default_rng([0, seed, passes]).permutation(count)


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
