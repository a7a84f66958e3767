"""Trained and measured runs: their options, history and evaluation, and how they are labelled."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from shlex import quote

from align.config import TrainConfig, recipe
from align.engine.run_folder import RunFolder
from align.results.evaluation import Evaluation, load_evaluation
from align.results.labels import each_option, label_runs
from align.results.processors import on
from align.results.summary import require_comparable, run_order
from datasets.errors import DataError, FormatError, MissingDataError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """One trained and measured run.

    Attributes:
        folder: The run's folder.
        label: The method, with the options that differ from other runs of that method.
        config: All its options.
        evaluation: Its evaluation on one split.
        history: One entry for each epoch, see `align.engine.run_folder.write_history`.
        finished: Local time at which its last epoch ended.
    """

    folder: Path
    label: str
    config: TrainConfig
    evaluation: Evaluation
    history: list[dict[str, float]]
    finished: datetime

    @property
    def hours(self) -> float:
        """Hours of training and validation."""
        return sum(row["seconds"] for row in self.history) / 3600


def load_runs(folders: Sequence[Path], split: str = "test") -> list[Run]:
    """Reads runs and sorts them by method, options and seed.

    A measured run with a damaged file, or one that is missing, is named and left out, unless no
    other is left.

    Raises:
        DataError: When a folder is no run, has not been evaluated on the split, or was measured
            on other data, episodes or views than the rest.
    """
    found = _readable(folders, split)
    labels = _labels(found)
    require_comparable([run.evaluation for run in found], labels)
    runs = [replace(run, label=label) for run, label in zip(found, labels, strict=True)]
    return sorted(runs, key=lambda run: run_order(run.label, run.config.seed))


def _readable(folders: Sequence[Path], split: str) -> list[Run]:
    runs: list[Run] = []
    errors: list[DataError] = []
    for folder in folders:
        try:
            runs.append(_load_run(folder, split))
        except DataError as error:
            if not RunFolder(folder).evaluation(split).exists():
                raise  # the run has not been measured, which is soon done
            errors.append(error)
    if errors and not runs:
        raise errors[0]
    for damage in errors:
        log.warning("left out: %s", damage)
    return runs


def _labels(runs: Sequence[Run]) -> list[str]:
    """`label_runs`, with the processor of the measurement where it is not the same for all."""
    labels = label_runs([run.config for run in runs])
    processors = [run.evaluation.processor for run in runs]
    if len(set(processors)) < 2:
        return labels
    return [on(label, processor) for label, processor in zip(labels, processors, strict=True)]


def _load_run(folder: Path, split: str) -> Run:
    config, evaluation = TrainConfig.load(folder), load_evaluation(folder, split)
    evaluation.require_embeddings()
    history = RunFolder(folder).history
    if not history.exists():
        raise MissingDataError(
            f"{history} does not exist: training was stopped before its first epoch ended, or "
            "the file was lost. Continue with "
            f"`python -m align.train --resume {quote(str(folder))}`."
        )
    rows = RunFolder(folder).load_history()
    if not rows or any(not {"epoch", "seconds"} <= row.keys() for row in rows):
        raise FormatError(
            f"{history} has no epochs, or lacks their number or duration. Restore it, or train "
            "the run again."
        )
    finished = datetime.fromtimestamp(history.stat().st_mtime)
    return Run(folder, config.method, config, evaluation, rows, finished)


def train_command(config: TrainConfig) -> str:
    """The command that repeats a run: its options where they differ from the recipe's."""
    defaults = dict(each_option(recipe(config.recipe)))
    words = ["python", "-m", "align.train"]
    for name, value in each_option(config):
        # The recipe decides the defaults; readers look for method and seed.
        if value == defaults[name] and name not in ("method", "seed", "recipe"):
            continue
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            group, _, last = flag.rpartition(".")
            off = f"{group}.no-{last}" if group else f"--no-{last.removeprefix('--')}"
            words.append(flag if value else off)
        else:
            values = value if isinstance(value, tuple) else [value]
            words += [flag, *map(str, values)]
    return shlex.join(words)
