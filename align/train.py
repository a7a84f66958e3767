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

from align.config import TrainConfig, parse_recipe, recipe
from align.engine.command import claim_folder, train
from align.engine.trainer import Trainer
from align.protocols import require_testable
from align.task import AlignmentTask
from datasets.command import set_up_logging


def resolve(config: TrainConfig) -> TrainConfig:
    """Fills in the data set and the run's folder where the user left them open."""
    data = config.data or config.usual_data()
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
    data = config.training_data
    require_testable(config)
    return claim_folder(config, lambda: AlignmentTask(config, data), "align", progress, on_step)


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
        train(config, resume, resolve, make_trainer, "align")

    tyro.cli(run, args=arguments, prog="python -m align.train")


if __name__ == "__main__":
    main()
