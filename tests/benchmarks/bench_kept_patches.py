"""Time training on the patches that change most against whole frames, and measure both errors.

Run: python tests/benchmarks/bench_kept_patches.py --data data/lift --share 0.35

Both networks train in one process and take turns step by step. Reading is timed apart, because
other processes can do it (`--workers`); it includes the motion of the videos, which is read once.
The errors are those of the validation episodes after the last step. `make bench` leaves this out:
it needs a data set.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tyro
from measuring import Row, note, one_thread, times
from short_training import Short, make, validation_error

from align.config import recipe
from align.engine.device import keep_freed_memory
from align.engine.trainer import Trainer
from align.methods import Method

# Steps that are not counted: the first ones allocate memory.
WARM_UP = 3


@dataclass(frozen=True)
class Options(Short):
    """Time training on kept patches.

    Attributes:
        share: Patches that are kept, `--backbone.keep-patches`.
        method: What to train.
    """

    share: float = 0.35
    method: Method = "deit"


@dataclass
class Measured:
    """Processor seconds of each step, and the validation error of each seed."""

    stepping: list[float] = field(default_factory=list)
    reading: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)


def main() -> None:
    """Print the ratio of images a second, and the errors of each seed."""
    options = tyro.cli(Options)
    one_thread()
    keep_freed_memory()
    logging.disable(logging.WARNING)
    whole, kept = Measured(), Measured()
    for seed in options.seeds:
        train_both(options, seed, whole, kept)
    note(
        Row(
            f"training images a second, {options.method} on {options.share:g} of the patches, "
            f"{options.data.name}",
            "whole frames",
            times(statistics.median(whole.stepping) / statistics.median(kept.stepping)),
            f"{rate(kept, options.images)}; against {rate(whole, options.images)}",
        )
    )


def rate(measured: Measured, images: int) -> str:
    """Images a second, milliseconds that reading one takes, and the errors of the seeds."""
    errors = ", ".join(f"{error:.3f}" for error in measured.errors)
    return (
        f"{images / statistics.median(measured.stepping):.0f} images/s, "
        f"{1000 * statistics.mean(measured.reading) / images:.2f} ms reading, error {errors}"
    )


def train_both(options: Options, seed: int, whole: Measured, kept: Measured) -> None:
    """Trains the two networks of a seed in turns."""
    usual = recipe("small").backbone
    with tempfile.TemporaryDirectory() as folder:
        runs = []
        for share, measured in ((1.0, whole), (options.share, kept)):
            backbone = replace(usual, keep_patches=share)
            changes = {"method": options.method, "backbone": backbone}
            runs.append((make(options, seed, Path(folder) / f"{share}", changes), measured))
        batches = [iter(trainer.task.loader(0, options.steps)) for trainer, _ in runs]
        for step in range(options.steps):
            for (trainer, measured), reader in zip(runs, batches, strict=True):
                learn(trainer, step, lambda reader=reader: next(reader), measured)
        for trainer, measured in runs:
            measured.errors.append(validation_error(trainer))


def learn(trainer: Trainer, step: int, read: Callable[[], Any], measured: Measured) -> None:
    """One step of a training, with its times."""
    start = time.process_time()
    batch = read()
    middle = time.process_time()
    trainer._step(step, batch)
    if step >= WARM_UP:
        measured.reading.append(middle - start)
        measured.stepping.append(time.process_time() - middle)


if __name__ == "__main__":
    main()
