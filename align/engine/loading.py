"""Reading of batches: number of processes, order of samples, and errors with a remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Int64

from align.engine.run_folder import CONFIG_NAME
from datasets.errors import DataError


def reading_processes(wanted: int | None) -> int:
    """Number of processes that read data: as wanted, by default 0 on a CPU, up to 8 with a GPU."""
    if wanted is not None:
        return wanted
    return min(8, os.cpu_count() or 1) if torch.cuda.is_available() else 0


@lru_cache(maxsize=2)
def order_of_pass(count: int, seed: int, passes: int) -> Int64[np.ndarray, " count"]:
    """The order of `count` items in the pass of this number, a random permutation.

    It is cached, because every sample needs it, and shuffling a million items takes longer than
    reading one.
    """
    # The leading 0 separates the random stream of orders from that of samples.
    return np.random.default_rng([0, seed, passes]).permutation(count)


@contextmanager
def reading_batches() -> Iterator[None]:
    """Context for everything that runs while a loader reads.

    When a process that reads data dies, a signal raises an error at any point of this process.

    Raises:
        DataError: When data cannot be read, or a process that reads it dies.
    """
    try:
        yield
    except DataError as error:
        raise type(error)(_original_message(error)) from error
    except RuntimeError as error:
        # torch gives this error no class of its own.
        if "DataLoader worker" not in str(error):
            raise
        raise DataError(
            f"a process that reads data has died ({error}). It was killed, or had too little "
            "memory: use --resume on a machine with more memory, or with fewer --workers in the "
            f"run's {CONFIG_NAME}."
        ) from error


def _original_message(error: DataError) -> str:
    """The message of an error from another process; torch puts a traceback before it."""
    kind = type(error)
    return str(error).rpartition(f"{kind.__module__}.{kind.__qualname__}: ")[2].strip()
