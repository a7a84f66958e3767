"""The way of a training command: claim the run's folder, train, say where the results are."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from align.engine.checkpoint import (
    CheckpointError,
    kept_when_unwritable,
    require_resumable,
)
from align.engine.claim import Claim, is_claimed
from align.engine.config import RunConfig
from align.engine.device import keep_freed_memory
from align.engine.origin import Origin
from align.engine.run_folder import RunFolder
from align.engine.starting import start_from
from align.engine.stored_config import options_of
from align.engine.task import Task
from align.engine.trainer import Trainer
from datasets.command import command, command_line, user_errors
from datasets.errors import DataError, MismatchError, OptionError, UserError
from datasets.storage.meta import META_NAME

log = logging.getLogger(__name__)

Config = TypeVar("Config", bound=RunConfig)

# A recipe only names where the defaults came from: every option is compared by itself.
_ORIGIN = frozenset({"out", "recipe"})
# A resumed run may change these: neither changes what its finished steps have learned.
_MAY_CHANGE = frozenset({"out", "recipe", "epochs", "workers"})


def open_run(
    config: RunConfig,
    open_task: Callable[[], Task],
    package: str,
    *,
    resumed: bool = False,
    progress: bool = True,
    on_step: Callable[[float], object] | None = None,
) -> Trainer:
    """Opens a task in the run's folder, with its initial weights where it has not begun.

    Args:
        config: Options of the run, with `out` set.
        open_task: Opens the data and builds the model.
        package: Package whose commands messages name.
        resumed: Whether the folder's run is resumed, perhaps for more epochs.
        progress: Whether to show a progress bar and what the run does.
        on_step: Called after each step with the share of all steps that are done.

    Raises:
        DataError: When the data cannot be used.
        MismatchError: When the folder holds another run, the run was made of other data, or
            another process trains there.
        CheckpointError: When the initial weights cannot be read or do not fit, or the folder
            cannot be written.
        OptionError: When an option is invalid, or options do not fit each other.
    """
    if config.out is None:
        raise ValueError("a run needs its folder as `out`; `resolve` names one.")
    if (config.out / META_NAME).exists():
        raise OptionError(f"{config.out} is a data set: choose another folder with --out.")
    # Before anything is read: another training may be about to write the same folder.
    with kept_when_unwritable(config.out):
        claim = Claim(config.out)
    try:
        task = _opened(config, config.out, open_task, package, resumed)
        return Trainer(task, config, progress=progress, on_step=on_step, claim=claim)
    except BaseException:
        claim.abandon()
        raise


def _opened(
    config: RunConfig, out: Path, open_task: Callable[[], Task], package: str, resumed: bool
) -> Task:
    """The task of a run whose folder is claimed, where options and data are still the same."""
    _require_same_run(config, out, package, resumed)
    keep_freed_memory()
    task = open_task()
    origin = task.origin(out)
    if (stored := Origin.load(out)) is not None:
        stored.require_same(origin, out)
    if config.init is not None and not RunFolder(out).started:
        start_from(config.init, task.model, task.carry_over)
    if RunFolder(out).started:
        # Before the options of the folder change.
        require_resumable(RunFolder(out).checkpoint("last"))
    with kept_when_unwritable(out):
        config.save(out)
        origin.save(out)
    return task


def _require_same_run(config: RunConfig, folder: Path, package: str, resumed: bool) -> None:
    if not RunFolder(folder).exists:
        return
    stored = type(config).load(folder)
    ignored = _MAY_CHANGE if resumed else _ORIGIN
    if (origin := Origin.load(folder)) is not None:
        # The data sets of these options are compared themselves, wherever they lie.
        ignored |= {option for option, record in origin.data.items() if record.digest}
    differing = differing_options(stored, config, ignored)
    if differing:
        raise MismatchError(
            f"{folder} holds a run with other options, {', '.join(differing)}. Choose another "
            f"--out (in a comparison also --variant), or resume that run: "
            f"{resume_command(package, folder)}"
        )
    if config.epochs < stored.epochs:
        raise MismatchError(
            f"{folder} has {stored.epochs} epochs: a resumed run can have more of them, not "
            f"{config.epochs}. Start another run with --out."
        )


def differing_options(
    stored: RunConfig, config: RunConfig, ignored: Collection[str] = _ORIGIN
) -> list[str]:
    """Options of a stored run that differ from others: `name value`, with the stored values."""
    there, asked = options_of(stored), options_of(config)
    names = sorted(n for n in asked if n not in ignored and there[n] != asked[n])
    return [f"{name} {there[name]}" for name in names]


def for_each(paths: Iterable[Path], work: Callable[[Path], object]) -> None:
    """Does some work with each run or file; one that fails is named, and the others go on.

    Raises:
        UserError: The last error, once all have had their turn.
    """
    errors: list[UserError] = []
    for path in paths:
        try:
            work(path)
        except UserError as error:
            if errors:
                log.error("error: %s", errors[-1])
            errors.append(error)
    if errors:
        raise errors[-1]


def resume_command(package: str, folder: Path) -> str:
    """The command that resumes a run."""
    return command_line(f"{package}.train", ["--resume", str(folder)])


def offer_unfinished(config: Config, package: str, runs: Path = Path("runs")) -> Config:
    """Looks for an unfinished run of the same options where the user named no folder.

    At a terminal the user is asked whether to resume it. Elsewhere the command that resumes it is
    shown, and a new run starts.

    Args:
        config: Options of the run, with the folder that a new run would get.
        package: Package whose commands to name.
        runs: Folder of runs.

    Returns:
        The options, with the folder of the run to resume where that was chosen.
    """
    same = [folder for folder in _unfinished(runs) if _same_options(folder, config)]
    if not same:
        return config
    newest = same[-1]
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        log.info(
            "%s is an unfinished run of the same options; a new one starts. Resume the old one "
            "with: %s",
            newest,
            resume_command(package, newest),
        )
        return config
    print(f"{newest} is an unfinished run of the same options.", file=sys.stderr)
    answer = input("Resume it? [Y/n] ").strip().lower()
    return replace(config, out=newest) if answer in {"", "y", "yes"} else config  # type: ignore[type-var]


def _unfinished(runs: Path) -> list[Path]:
    """Folders of runs with a checkpoint that have not trained to their end, oldest first."""
    started = [run for run in RunFolder.all_in(runs) if run.started and not _has_ended(run)]
    started.sort(key=lambda run: run.checkpoint("last").stat().st_mtime)
    return [run.path for run in started if not is_claimed(run.path)]


def _has_ended(run: RunFolder) -> bool:
    try:
        return run.finished
    except CheckpointError as error:
        log.warning("%s", error)
        return True  # it cannot be resumed


def _same_options(folder: Path, config: RunConfig) -> bool:
    try:
        return not differing_options(type(config).load(folder), config)
    except DataError:  # a run of another package or version, which is not offered
        return False


def train(open_trainer: Callable[[], Trainer], package: str) -> None:
    """Trains to the end and says where the results are, or how to resume after a stop.

    Args:
        open_trainer: Opens the run.
        package: Package whose commands messages name.
    """
    with command():
        trainer = open_trainer()
    resume = resume_command(package, trainer.folder)
    fixable = user_errors(CheckpointError, DataError, then=f"then resume with: {resume}")
    with command(resume=f"Resume with: {resume}"), fixable:
        best = trainer.fit()
        if trainer.accelerator.is_main_process:
            print(f"best validation {trainer.metric_name}: {trainer.best:.4f}")
            print(f"checkpoint: {best}")
            print("next: " + command_line(f"{package}.evaluate", [str(trainer.folder)]))
