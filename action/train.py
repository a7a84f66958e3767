"""Trains a method to recognise actions in clips.

python -m action.train --data ntu --root NTU --protocol CVS3 --method paab
python -m action.train --data smarthome --root /data/smarthome --recipe paper --method paat
python -m action.train --resume runs/paab_ntu_CVS3_20260101-120000
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, cast, get_args

import tyro

from action.config import ActionConfig, DataName, action_recipe
from action.task import ActionTask
from align.config import parse_recipe
from align.engine.command import claim_folder, train
from align.engine.run_folder import checkpoint_path
from align.engine.trainer import Trainer
from datasets.command import preset_of, set_up_logging


def resolve(config: ActionConfig) -> ActionConfig:
    """Names the run's folder where the user left it open."""
    if config.out is not None:
        return config
    parts = [config.method.replace("+", "_"), config.data]
    parts += [config.protocol] if config.protocol else []
    return replace(config, out=Path("runs", "_".join([*parts, time.strftime("%Y%m%d-%H%M%S")])))


def parse_defaults(arguments: Sequence[str]) -> ActionConfig:
    """Reads `--recipe` and `--data` before all else: both decide the other options' defaults."""
    data = preset_of(arguments, "--data", ActionConfig.data, get_args(DataName))
    return action_recipe(parse_recipe(arguments), cast(DataName, data))


def make_trainer(
    config: ActionConfig,
    progress: bool = True,
    on_step: Callable[[float], object] | None = None,
) -> Trainer:
    """Opens the data, builds the model and claims the run's folder.

    Args:
        config: With `out` set, see `resolve`.
        progress: Whether to draw a progress bar.
        on_step: Called after each step with the share of all steps that are done.

    Raises:
        DataError: When the data cannot be used, or the folder holds another run.
        ValueError: When options do not fit each other.
    """

    def open_task() -> ActionTask:
        # A run that goes on has its own weights, and what it started from may be gone.
        started = config.out is not None and checkpoint_path(config.out, "last").exists()
        return ActionTask(config, pretrained=not started)

    return claim_folder(config, open_task, "action", progress, on_step)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    set_up_logging()
    arguments = sys.argv[1:] if arguments is None else arguments
    defaults = parse_defaults(arguments)

    def run(
        config: Annotated[ActionConfig, tyro.conf.arg(name="")] = defaults,
        resume: Path | None = None,
    ) -> None:
        """Trains a method to recognise actions in clips.

        Args:
            config: All that the run depends on.
            resume: Go on with the run in this folder; all other options come from there.
        """
        train(config, resume, resolve, make_trainer, "action")

    tyro.cli(run, args=arguments, prog="python -m action.train")


if __name__ == "__main__":
    main()
