"""Trained and measured runs: their options, history and evaluation, and how they are labelled."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import Any

from align.config import TrainConfig, recipe
from align.engine.run_folder import RunFolder, run_name
from align.results.evaluation import Evaluation, load_evaluation
from align.results.processors import on
from align.results.summary import require_comparable, run_order
from datasets.errors import DataError, FormatError, MissingDataError

log = logging.getLogger(__name__)


def variant_of(config: TrainConfig) -> str:
    """The variant in the name of a run's folder: `wide` in `runs/paab_wide_seed1`.

    Empty for plain runs, and for folders that do not follow this pattern.
    """
    if config.out is None:
        return ""
    before, after = run_name(f"{config.method}_*", config.seed).split("*")
    name = config.out.name
    if not (name.startswith(before) and name.endswith(after)):
        return ""
    return name[len(before) : -len(after)]


# Options that may differ between the runs of one row of a table.
_OF_ONE_RUN = {"method", "seed", "data", "out", "workers"}


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


def label_runs(configs: Sequence[TrainConfig]) -> list[str]:
    """Labels each run with its method, its variant in a grid, and the options that differ in these.

    Runs that differ only in seed and folder share a label.
    """
    options = [dict(_options(config)) for config in configs]
    names = [", ".join(filter(None, [c.method, variant_of(c)])) for c in configs]
    labels = []
    for name, own in zip(names, options, strict=True):
        peers = [o for n, o in zip(names, options, strict=True) if n == name]
        varying = sorted(differing_options(peers) - _OF_ONE_RUN)
        labels.append(", ".join([name, *(_named_option(option, own) for option in varying)]))
    return labels


def variant_options(runs: Sequence[Run]) -> dict[str, str]:
    """Label of every variant of a grid to the options in which it differs from all plain runs.

    Options that a variant shares with some plain run, such as its number of epochs, are left out.
    """
    plain = [dict(_options(run.config)) for run in runs if not variant_of(run.config)]
    variants = {run.label: dict(_options(run.config)) for run in runs if variant_of(run.config)}
    found = {}
    for label, own in variants.items():
        names = sorted(own.keys() - _OF_ONE_RUN)
        special = [name for name in names if all(o[name] != own[name] for o in plain)]
        if plain and special:
            found[label] = ", ".join(_named_option(name, own) for name in special)
    return found


def _named_option(name: str, options: Mapping[str, Any]) -> str:
    return f"{_without_method(name, options['method'])} {_text(options[name])}"


def _without_method(name: str, method: str) -> str:
    # `paab, positions 1` says as much as `paab, paab.positions 1`.
    return name.removeprefix(f"{method}.")


def differing_options(options: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names of the options that are not the same in all of these."""
    return {name for name in options[0] if any(o[name] != options[0][name] for o in options)}


def options_that_differ(runs: Sequence[Run]) -> list[str]:
    """Options other than method, seed and folders in which runs differ."""
    return sorted(differing_options([dict(_options(r.config)) for r in runs]) - _OF_ONE_RUN)


def train_command(config: TrainConfig) -> str:
    """The command that repeats a run: its options where they differ from the recipe's."""
    defaults = dict(_options(recipe(config.recipe)))
    words = ["python", "-m", "align.train"]
    for name, value in _options(config):
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


def _options(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value):
            yield from _options(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, value


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
