"""What the training commands of all tasks share: claim a folder, train, say what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from align.engine.checkpoint import CheckpointError
from align.engine.device import Precision, keep_freed_memory
from align.engine.run_folder import CONFIG_NAME, options_of
from align.engine.trainer import NonFiniteLossError, OptimConfig, Task, Trainer
from datasets.command import command_line, interruptible, user_errors
from datasets.errors import DataError


class RunConfig(Protocol):
    """What a task's configuration must have, besides what only the task reads; a dataclass."""

    @property
    def out(self) -> Path | None: ...  # noqa: D102
    @property
    def epochs(self) -> int: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def validate_every(self) -> int: ...  # noqa: D102
    @property
    def precision(self) -> Precision: ...  # noqa: D102
    @property
    def optim(self) -> OptimConfig: ...  # noqa: D102

    def save(self, folder: Path) -> None: ...  # noqa: D102

    @classmethod
    def load(cls, folder: Path) -> Any: ...  # noqa: D102


Config = TypeVar("Config", bound=RunConfig)


def claim_folder(
    config: RunConfig,
    open_task: Callable[[], Task],
    package: str,
    progress: bool = True,
    on_step: Callable[[float], object] | None = None,
) -> Trainer:
    """Opens a task and claims the run's folder for it.

    Args:
        config: With `out` set.
        open_task: Opens the data and builds the model.
        package: Whose commands to name.
        progress: Whether to draw a progress bar.
        on_step: Called after each step with the share of all steps that are done.

    Raises:
        DataError: When the data cannot be used, or the folder holds another run.
        ValueError: When options do not fit each other.
    """
    if config.out is None:
        raise ValueError("a run needs `out`; `resolve` fills it in.")
    if (config.out / CONFIG_NAME).exists():
        there, asked = options_of(type(config).load(config.out)), options_of(config)
        differing = {name for name in asked if there[name] != asked[name]} - {"out"}
        if others := [f"{name} {there[name]}" for name in sorted(differing)]:
            raise DataError(
                f"{config.out} holds a run with other options, {', '.join(others)}. Choose another "
                f"--out (with align.compare also --variant), or go on with that run: "
                f"python -m {package}.train --resume {config.out}"
            )
    keep_freed_memory()
    task = open_task()
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


def train(
    config: Config,
    resume: Path | None,
    resolve: Callable[[Config], Config],
    make_trainer: Callable[[Config], Trainer],
    package: str,
) -> None:
    """Trains to the end and says what came of it; how to go on when it is stopped.

    Args:
        config: All that the run depends on.
        resume: Go on with the run in this folder instead, by the options stored there.
        resolve: Fills in what the user left open.
        make_trainer: Opens the task in the run's folder.
        package: Whose commands to name.
    """
    with user_errors(DataError, CheckpointError, ValueError):
        if resume is not None:
            config = replace(type(config).load(resume), out=resume)
        config = resolve(config)
        trainer = make_trainer(config)
    go_on = command_line(f"{package}.train", ["--resume", str(config.out)])
    mendable = user_errors(
        CheckpointError, DataError, then=f"once that is mended, go on with: {go_on}"
    )
    with interruptible(go_on), user_errors(NonFiniteLossError), mendable:
        best = trainer.fit()
    if trainer.accelerator.is_main_process:
        print(f"best validation {trainer.task.metric}: {trainer.best:.4f}")
        print(f"checkpoint: {best}")
        print(f"next: python -m {package}.evaluate {config.out}")
