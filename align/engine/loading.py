"""Reading batches: processes, order, and failures in one line with a remedy."""

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
    """Number of processes that read data: as wanted, else 0 on a CPU and up to 8 with a GPU."""
    if wanted is not None:
        return wanted
    return min(8, os.cpu_count() or 1) if torch.cuda.is_available() else 0


@lru_cache(maxsize=2)
def order_of_pass(count: int, seed: int, passes: int) -> Int64[np.ndarray, " count"]:
    """The order of `count` items in one pass over them.

    The order is cached: every sample needs it, and shuffling a million items takes longer than
    reading one.

    Args:
        count: Items.
        seed: Seed of the run.
        passes: Passes before this one.
    """
    # The leading 0 gives orders another random stream than samples, which begin with the seed.
    return np.random.default_rng([0, seed, passes]).permutation(count)


@contextmanager
def reading_batches() -> Iterator[None]:
    """Turns failures of a loader into errors of one line; all work of a loader goes in here.

    The death of a reading process arrives as a signal, at any time.

    Raises:
        DataError: When data cannot be read, or a process that reads it dies.
    """
    try:
        yield
    except DataError as error:
        raise DataError(_last_message(str(error))) from error
    except RuntimeError as error:
        # torch raises a plain RuntimeError when a reading process was killed.
        if "DataLoader worker" not in str(error):
            raise
        raise DataError(
            f"a process that reads data has died ({error}). It was killed, or ran out of memory: "
            "resume with fewer --workers, or on a machine with more memory."
        ) from error


def _last_message(message: str) -> str:
    """The message of an error from another process, without the traceback that torch prepends."""
    return message.rpartition(f"{DataError.__module__}.{DataError.__qualname__}: ")[2].strip()
