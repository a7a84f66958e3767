"""Trains a method to recognise actions in clips.

python -m action.train --data ntu --root NTU --protocol CVS3 --method paab
python -m action.train --data smarthome --root /data/smarthome --recipe paper --method paat
python -m action.train --model motionformer --method paab
python -m action.train --model st_gcn    # on joints in space, without pixels
python -m action.train --model vpnpp     # after what it learns from, in stages
python -m action.train --resume runs/paab_ntu_CVS3_20260101-120000 --epochs 60
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import tyro

from action.config import ActionConfig, ActionRecipe, DataName, ModelName
from action.training.recipes import action_recipe
from action.training.stages import given_stages, stages_of, trained_stages
from datasets.bounds import require_in_bounds
from datasets.command import command, parse, preset_of

if TYPE_CHECKING:
    from align.engine.trainer import Trainer

log = logging.getLogger(__name__)


def resolve(config: ActionConfig) -> ActionConfig:
    """Names the run's folder where the user left it open."""
    if config.out is not None:
        return config
    model = [config.model] if config.model != ActionConfig.model else []
    parts = [*model, config.method.replace("+", "_"), config.data]
    parts += [config.protocol] if config.protocol else []
    return replace(config, out=Path("runs", "_".join([*parts, time.strftime("%Y%m%d-%H%M%S")])))


def make_trainer(
    config: ActionConfig,
    progress: bool = True,
    on_step: Callable[[float], object] | None = None,
    *,
    resumed: bool = False,
) -> Trainer:
    """Opens the data, builds the model and claims the run's folder.

    Args:
        config: Options with `out` set, see `resolve`.
        progress: Whether to show a progress bar and what the run does.
        on_step: Called after each step with the share of all steps that are done.
        resumed: Whether the run in the folder is resumed, perhaps for more epochs.

    Raises:
        DataError: When the data cannot be used.
        MismatchError: When the folder holds another run, or a named stage does not fit.
        CheckpointError: When the initial weights cannot be read or do not fit.
        OptionError: When an option is invalid, or options do not fit each other.
    """
    require_in_bounds(config)
    from action.training.task import ActionTask
    from align.engine.command import open_run
    from align.engine.run_folder import RunFolder

    def open_task() -> ActionTask:
        # A resumed run has weights of its own, and the file that it started from may be gone.
        started = config.out is not None and RunFolder(config.out).started
        return ActionTask(config, pretrained=not started)

    if config.out is not None and not RunFolder(config.out).finished:
        given_stages(config)  # an error before any data are read
    staged = config.out is not None and len(stages_of(config)) > 0
    own = None if staged else on_step  # else its share is known after the stages
    trainer = open_run(config, open_task, "action", resumed=resumed, progress=progress, on_step=own)
    if staged:
        trainer.before = partial(_learn_from_stages, trainer, config, progress, on_step, resumed)
    return trainer


def _learn_from_stages(
    trainer: Trainer,
    config: ActionConfig,
    progress: bool,
    on_step: Callable[[float], object] | None,
    resumed: bool,
) -> None:
    """Trains the stages before a run that have not ended, and gives the run what they learned."""
    from action.training.starting import network_of
    from action.training.task import ActionTask

    def within(start: float, stop: float) -> Callable[[float], object] | None:
        if on_step is None:
            return None
        return lambda share: on_step(start + share * (stop - start))

    def train(stage: ActionConfig, start: float, stop: float) -> None:
        if progress:
            log.info("%s learns from %s, which comes first", config.model, stage.out)
        make_trainer(stage, progress, within(start, stop), resumed=resumed).fit()

    task = trainer.task
    assert isinstance(task, ActionTask)
    runs = trained_stages(config, train)
    task.learn_from({name: network_of(run, task.recognizer) for name, run in runs.items()})
    count = len(stages_of(config))
    trainer.on_step = within(count / (count + 1), 1.0)


def default_options(arguments: Sequence[str]) -> ActionConfig:
    """The default options of a command line: those of the run that it resumes, or of its recipe.

    Raises:
        DataError: When the folder to resume holds no run.
    """
    if resume := preset_of(arguments, "--resume", ""):
        return replace(ActionConfig.load(Path(resume)), out=Path(resume))
    recipe = preset_of(arguments, "--recipe", "small", get_args(ActionRecipe))
    data = preset_of(arguments, "--data", ActionConfig.data, get_args(DataName))
    model = preset_of(arguments, "--model", ActionConfig.model, get_args(ModelName))
    return action_recipe(cast(ActionRecipe, recipe), cast(DataName, data), cast(ModelName, model))


def _found(run: Path, config: ActionConfig, stored: ActionConfig) -> ActionConfig:
    """The options of a run to resume, with the folder where its data set lies now."""
    from action.inputs.clips import data_root, open_own_data

    root = None if config.root == stored.root else config.root
    found = open_own_data(run, stored, root).clip_set.root
    return replace(config, out=run, root=config.root if found == data_root(config) else found)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    arguments = sys.argv[1:] if arguments is None else arguments
    with command():
        default = default_options(arguments)

    def run(
        config: Annotated[ActionConfig, tyro.conf.arg(name="")] = default,
        resume: Path | None = None,
    ) -> None:
        """Trains a method to recognise actions in clips.

        Args:
            config: All that the run depends on.
            resume: Resume the run in this folder, with its own options; more --epochs extend it.
        """
        from align.engine.command import offer_unfinished, train

        def open_trainer() -> Trainer:
            if resume is not None:
                return make_trainer(_found(resume, config, default), resumed=True)
            resolved = resolve(config)
            if config.out is None:
                resolved = offer_unfinished(resolved, "action")
            return make_trainer(resolved)

        train(open_trainer, "action")

    parse(run, "python -m action.train", arguments)


if __name__ == "__main__":
    main()
