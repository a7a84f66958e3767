"""Trains a method on a data set of multi-view episodes.

python -m align.train --method paab
python -m align.train --method paat --data data/lift --image-size 112 --epochs 40 --seed 1
python -m align.train --recipe paper --method deit
python -m align.train --resume runs/paab_lift_20260101-120000
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import tyro

from align.allocator import keep_freed_memory
from align.checkpoint import CheckpointError
from align.cli import interruptible, parse_recipe, set_up_logging, user_errors
from align.config import TrainConfig, recipe
from align.engine import NonFiniteLossError, Trainer
from align.stored_config import CONFIG_NAME
from align.task import AlignmentTask
from datasets.errors import DataError
from datasets.find import newest_data_set


def resolve(config: TrainConfig) -> TrainConfig:
    """Fills in the data set and the run's folder where the user left them open."""
    data = config.data or newest_data_set()
    stamp = time.strftime("%Y%m%d-%H%M%S")
    out = config.out or Path("runs") / f"{config.method.replace('+', '_')}_{data.name}_{stamp}"
    return replace(config, data=data, out=out)


def make_trainer(
    config: TrainConfig,
    progress: bool = True,
    on_step: Callable[[float], object] | None = None,
) -> Trainer:
    """Opens the data, builds the model and claims the run's folder.

    Args:
        config: With `data` and `out` set, see `resolve`.
        progress: Whether to draw a progress bar.
        on_step: Called after each step with the share of all steps that are done.

    Raises:
        DataError: When the data cannot be used, or the folder holds another run.
        ValueError: When options do not fit each other.
    """
    if config.data is None or config.out is None:
        raise ValueError("a run needs `data` and `out`; `resolve` fills them in.")
    if (config.out / CONFIG_NAME).exists() and TrainConfig.load(config.out) != config:
        raise DataError(
            f"{config.out} holds a run with other options. Choose another --out, or go on with "
            f"that run: python -m align.train --resume {config.out}"
        )
    keep_freed_memory()
    task = AlignmentTask(config, config.data)
    config.save(config.out)
    return Trainer(
        task,
        config.out,
        config.optim,
        epochs=config.epochs,
        seed=config.seed,
        validate_every=config.validate_every,
        precision=config.precision,
        progress=progress,
        on_step=on_step,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    set_up_logging()
    arguments = sys.argv[1:] if arguments is None else arguments

    defaults = recipe(parse_recipe(arguments))

    def run(
        config: Annotated[TrainConfig, tyro.conf.arg(name="")] = defaults,
        resume: Path | None = None,
    ) -> None:
        """Trains a method on a data set of multi-view episodes.

        Args:
            config: All that the run depends on.
            resume: Go on with the run in this folder; all other options come from there.
        """
        with user_errors(DataError, CheckpointError, ValueError):
            if resume is not None:
                config = replace(TrainConfig.load(resume), out=resume)
            config = resolve(config)
            trainer = make_trainer(config)
        fit(trainer, config.out, "align")

    tyro.cli(run, args=arguments, prog="python -m align.train")


def fit(trainer: Trainer, out: Path | None, package: str) -> None:
    """Trains to the end and says what came of it; how to go on when it is stopped.

    Args:
        trainer: What trains.
        out: The run's folder.
        package: Whose commands to name.
    """
    resume = f"python -m {package}.train --resume {out}"
    with interruptible(resume), user_errors(NonFiniteLossError, CheckpointError, DataError):
        best = trainer.fit()
    if trainer.accelerator.is_main_process:
        print(f"best validation {trainer.task.metric}: {trainer.best:.4f}")
        print(f"checkpoint: {best}")
        print(f"next: python -m {package}.evaluate {out}")


if __name__ == "__main__":
    main()
