"""Trains a method on a data set of multi-view episodes.

python -m align.train --method paab
python -m align.train --method paat --data data/lift --image-size 112 --epochs 40 --seed 1
python -m align.train --recipe paper --method deit
python -m align.train --resume runs/paab_lift_20260101-120000 --epochs 80
python -m align.train --init runs/paab_lift_20260101-120000 --data data/can
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import tyro

from align.config import Recipe, TrainConfig, recipe
from align.plan import RunPlan, resolve
from datasets.bounds import require_in_bounds
from datasets.command import command, parse, preset_of

if TYPE_CHECKING:
    from align.engine.trainer import Trainer


def make_trainer(
    config: TrainConfig,
    progress: bool = True,
    on_step: Callable[[float], object] | None = None,
    *,
    resumed: bool = False,
) -> Trainer:
    """Opens the data, builds the model and claims the run's folder.

    Args:
        config: Options with `data` and `out` set, see `align.plan.resolve`.
        progress: Whether to show a progress bar and what the run does.
        on_step: Called after each step with the share of all steps that are done.
        resumed: Whether the run in the folder is resumed, perhaps for more epochs.

    Raises:
        DataError: When the data cannot be used.
        MismatchError: When the folder holds another run.
        CheckpointError: When the initial weights cannot be read or do not fit.
        OptionError: When an option is invalid, or options do not fit each other.
    """
    require_in_bounds(config)
    from align.engine.command import open_run
    from align.unpaired import task_of

    return open_run(
        config,
        lambda: task_of(RunPlan.load(config)),
        "align",
        resumed=resumed,
        progress=progress,
        on_step=on_step,
    )


def default_options(arguments: Sequence[str]) -> TrainConfig:
    """The default options of a command line: those of the run that it resumes, or of its recipe.

    Raises:
        DataError: When the folder to resume holds no run.
    """
    if resume := preset_of(arguments, "--resume", ""):
        return replace(TrainConfig.load(Path(resume)), out=Path(resume))
    return recipe(cast(Recipe, preset_of(arguments, "--recipe", "auto", get_args(Recipe))))


def _located(config: TrainConfig) -> TrainConfig:
    """The options with the file of `--init zoo:NAME` in its place."""
    from align.zoo.store import resolve as locate

    return config if config.init is None else replace(config, init=locate(config.init))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    arguments = sys.argv[1:] if arguments is None else arguments
    with command():
        default = default_options(arguments)

    def run(
        config: Annotated[TrainConfig, tyro.conf.arg(name="")] = default,
        resume: Path | None = None,
    ) -> None:
        """Trains a method on a data set of multi-view episodes.

        Args:
            config: All that the run depends on.
            resume: Resume the run in this folder, with its own options; more --epochs extend it.
        """
        from align.engine.command import offer_unfinished, train
        from align.stored.data import find_own_data

        def open_trainer() -> Trainer:
            if resume is not None:
                found = find_own_data(resume, config) if config.data == default.data else config
                return make_trainer(replace(resolve(found), out=resume), resumed=True)
            resolved = resolve(_located(config))
            if config.out is None:
                resolved = offer_unfinished(resolved, "align")
            return make_trainer(resolved)

        train(open_trainer, "align")

    parse(run, "python -m align.train", arguments)


if __name__ == "__main__":
    main()
