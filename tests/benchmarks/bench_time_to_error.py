"""Measure how soon training reaches an alignment error, by our recipe and by the published one.

Run: python tests/benchmarks/bench_time_to_error.py --data data/lift --target 0.2 --minutes 40

DeiT and the time-contrastive loss alone, the same backbone, data, frames and seed; seconds of one
thread's processor time, validation left out. A recipe that does not get there within --minutes is
said to have stood at its best error so far. `make bench` leaves this out: it takes the whole time.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import tyro
from measuring import Row, apart, note, one_thread

from align.config import Recipe, recipe
from align.train import make_trainer


@dataclass(frozen=True)
class Options:
    """Measure the time to an alignment error.

    Attributes:
        data: Folder of episodes.
        target: Validation alignment error to reach.
        minutes: Processor time after which a recipe is stopped.
        epochs: Passes of our recipe, which its learning rate falls over; it stops at the target.
        depth: Blocks of the backbone.
        seed: Of both runs.
    """

    data: Path = Path("data/lift")
    target: float = 0.2
    minutes: float = 40.0
    epochs: int = 9
    depth: int = 4
    seed: int = 0


@dataclass
class Progress:
    """How far a run came: seconds of training, and the best validation error."""

    seconds: float
    error: float
    steps: int


class EnoughError(Exception):
    """Raised when a run has reached its target or used up its time."""


def main() -> None:
    """Print when each recipe reached the target, and the ratio, at least where one did not."""
    options = tyro.cli(Options)
    ours, published = (apart(train, name, options) for name in ("full", "paper"))
    reached = published.error <= options.target
    if ours.error > options.target:
        ratio = "not reached"
    else:
        ratio = f"{'' if reached else 'more than '}{published.seconds / ours.seconds:.1f}×"
    note(
        Row(
            f"time to a validation alignment error of {options.target:g} on {options.data.name}, "
            f"DeiT with {options.depth} blocks",
            "the published recipe",
            ratio,
            f"{progress_text(ours)}, against {progress_text(published)}",
        )
    )


def progress_text(progress: Progress) -> str:
    """The error that a run reached, and after how long."""
    return (
        f"{progress.error:.3f} after {progress.seconds / 60:.1f} minutes and {progress.steps} steps"
    )


def train(name: Recipe, options: Options) -> Progress:
    """Trains until the target is reached or the time is over."""
    one_thread()
    logging.disable(logging.WARNING)
    config = recipe(name)
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(
            replace(
                config,
                method="deit",
                data=options.data,
                out=Path(folder) / "run",
                image_size=None,
                epochs=options.epochs if name == "full" else config.epochs,
                validate_every=1,
                seed=options.seed,
                backbone=replace(config.backbone, depth=options.depth),
            )
        )
        return follow(trainer, options)


def follow(trainer, options: Options) -> Progress:
    """Trains with a look at the clock after each step and at the error after each epoch."""
    progress = Progress(0.0, float("inf"), 0)
    start, validating = time.process_time(), 0.0
    validate = trainer.task.validate

    def watched():
        nonlocal validating
        before = time.process_time()
        metrics = validate()
        validating += time.process_time() - before
        progress.error = min(progress.error, metrics["alignment_error"])
        if progress.error <= options.target:
            raise EnoughError
        return metrics

    def on_step(share: float) -> None:
        progress.steps = round(share * trainer.total_steps)
        progress.seconds = time.process_time() - start - validating
        if progress.seconds > 60 * options.minutes:
            # The last word on a run that ends between two validations.
            trainer.model.eval()
            progress.error = min(progress.error, validate()["alignment_error"])
            raise EnoughError

    trainer.task.validate, trainer.on_step = watched, on_step
    with contextlib.suppress(EnoughError):
        trainer.fit()
    return progress


if __name__ == "__main__":
    main()
