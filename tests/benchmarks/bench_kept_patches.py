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

import torch
import tyro
from measuring import Row, note, one_thread, times

from align.config import recipe
from align.engine.config import Precision
from align.engine.device import keep_freed_memory
from align.engine.trainer import Trainer
from align.methods import Method
from align.train import make_trainer

# Steps that are not counted: the first ones allocate memory.
WARM_UP = 3


@dataclass(frozen=True)
class Options:
    """Time training on kept patches.

    Attributes:
        data: Folder of episodes.
        share: Patches that are kept, `--backbone.keep-patches`.
        method: What to train.
        seeds: Each trains both networks once.
        steps: Of each training; the learning rate falls over them.
        views: Views a step, of two episodes.
        moments: Moments of each view.
        precision: bf16 pays on a CPU only where `lscpu` lists amx_bf16.
    """

    data: Path = Path("data/lift")
    share: float = 0.35
    method: Method = "deit"
    seeds: tuple[int, ...] = (0, 1)
    steps: int = 240
    views: int = 5
    moments: int = 8
    precision: Precision = "auto"


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
    images = 2 * options.views * options.moments
    note(
        Row(
            f"training images a second, {options.method} on {options.share:g} of the patches, "
            f"{options.data.name}",
            "whole frames",
            times(statistics.median(whole.stepping) / statistics.median(kept.stepping)),
            f"{rate(kept, images)}; against {rate(whole, images)}",
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
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            (make(options, seed, share, Path(folder) / str(share)), measured)
            for share, measured in ((1.0, whole), (options.share, kept))
        ]
        batches = [iter(trainer.task.loader(0, options.steps)) for trainer, _ in runs]
        for step in range(options.steps):
            for (trainer, measured), reader in zip(runs, batches, strict=True):
                learn(trainer, step, lambda reader=reader: next(reader), measured)
        for trainer, measured in runs:
            trainer.model.eval()
            with torch.no_grad():
                measured.errors.append(trainer.task.validate()["alignment_error"])


def learn(trainer: Trainer, step: int, read: Callable[[], Any], measured: Measured) -> None:
    """One step of a training, with its times."""
    start = time.process_time()
    batch = read()
    middle = time.process_time()
    trainer._step(step, batch)
    if step >= WARM_UP:
        measured.reading.append(middle - start)
        measured.stepping.append(time.process_time() - middle)


def make(options: Options, seed: int, share: float, out: Path) -> Trainer:
    """A training by the small recipe that ends after the steps of the options."""
    config = recipe("small")
    config = replace(
        config,
        method=options.method,
        data=options.data,
        out=out,
        seed=seed,
        precision=options.precision,
        backbone=replace(config.backbone, keep_patches=share),
        batch=replace(config.batch, views=options.views, times=options.moments),
    )
    trainer = make_trainer(config, progress=False)
    trainer.total_steps = options.steps
    trainer.model.train()
    return trainer


if __name__ == "__main__":
    main()
