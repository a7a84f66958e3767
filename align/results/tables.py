"""The measured runs of a grid: one CSV row for each run, one table for each world and protocol."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from align.engine.csv_files import write_csv
from align.engine.run_folder import RunFolder
from align.metrics.names import GROUPS
from align.results.labels import variant_options
from align.results.paper import paper_error
from align.results.processors import baseline_of, without_processor
from align.results.runs import Run, load_runs
from align.results.significance import (
    KINDS,
    METRIC,
    PairedTest,
    corrected,
    episode_errors,
    paired_tests,
)
from align.results.summary import BASELINE, SummaryRow, difference, summary_table
from align.results.text import between, count, span
from datasets.errors import DataError

log = logging.getLogger(__name__)

RUNS_NAME, EPISODES_NAME = "runs.csv", "episodes.csv"
_METRICS = tuple(dict.fromkeys(name for group in GROUPS for name in group.metrics))


@dataclass(frozen=True)
class ResultRow:
    """One method on one world under one protocol.

    Attributes:
        summary: Mean and spread over seeds.
        test: Test against the baseline; None for the baseline itself, and without a common seed.
        tests_apart: The same for the pairs with and without the first-person view, by the names of
            their errors.
        paper: The paper's alignment error on its own episodes; None where it reports none.
        collapsed: Seeds whose embeddings have collapsed.
        at_chance: Seeds whose embeddings differ, but match no better than random ones.
    """

    summary: SummaryRow
    test: PairedTest | None
    tests_apart: dict[str, PairedTest | None]
    paper: float | None
    collapsed: tuple[int, ...]
    at_chance: tuple[int, ...]


@dataclass(frozen=True)
class ResultTable:
    """All methods on one world under one protocol.

    Attributes:
        folder: Folder that holds its runs.
        world: Name of the environment.
        protocol: Which views were tested on.
        setting: Size and duration of the runs as a sentence.
        rows: One row for each method, in the usual order of methods.
        runs: The runs that the rows summarise.
    """

    folder: Path
    world: str
    protocol: str
    setting: str
    rows: list[ResultRow]
    runs: list[Run]

    @property
    def title(self) -> str:
        """`lift, unseen views`."""
        return f"{self.world or self.folder.name}, {self.protocol} views"

    @property
    def variants(self) -> list[str]:
        """`tcn+paat, spread: batch.spread True` for each variant of a method."""
        return [f"{label}: {options}" for label, options in variant_options(self.runs).items()]


def measured_runs(out: Path) -> list[Run]:
    """All trained and measured runs of a grid.

    Runs that another version has measured, and runs measured on other episodes or views than most
    runs of their data set and protocol, are left out with a warning.
    """
    runs = []
    for group in sorted(folder for folder in out.glob("*") if folder.is_dir()):
        found = RunFolder.all_in(group)
        measured = [run.path for run in found if run.evaluation("test").exists()]
        comparable = _comparable([run for folder in measured for run in _readable(folder)])
        runs += load_runs(comparable, "test") if comparable else []
    return runs


def _readable(folder: Path) -> list[Run]:
    try:
        return load_runs([folder], "test")
    except DataError as error:
        log.warning("left out: %s", error)
        return []


def _comparable(runs: Sequence[Run]) -> list[Path]:
    """Folders of the runs that can be compared with the run that most others compare with."""
    evaluations = [run.evaluation for run in runs]
    differences = [[difference(one, other) for other in evaluations] for one in evaluations]
    if not differences:
        return []
    usual = max(differences, key=lambda row: row.count(None))
    for text in filter(None, usual):
        log.warning("left out: %s", text)
    return [run.folder for run, text in zip(runs, usual, strict=True) if text is None]


def write_runs(path: Path, runs: Sequence[Run]) -> None:
    """Writes one row for each run as CSV in full precision; missing values are empty."""
    rows = [run_row(run) for run in runs]
    write_csv(path, list(rows[0]) if rows else [], [list(row.values()) for row in rows])


def write_episodes(path: Path, runs: Sequence[Run]) -> None:
    """Writes one row for each test episode of each run as CSV, for statistics of your own."""
    header = ["world", "protocol", "method", "seed", "episode", *KINDS]
    # Episodes of one name may be of several data sets, and runs of several machines.
    header += ["processor", "trained_on_processor", "data_identity"]
    write_csv(path, header, [row for run in runs for row in _episode_rows(run)])


def _episode_rows(run: Run) -> list[list[Any]]:
    evaluation = run.evaluation
    about = [evaluation.world, evaluation.protocol, run.label, run.config.seed]
    errors = [episode_errors(evaluation, kind) for kind in KINDS]
    made_by = [evaluation.processor, "; ".join(evaluation.trained_on), evaluation.identity or ""]
    return [[*about, name, *(found.get(name) for found in errors), *made_by] for name in errors[0]]


def run_row(run: Run) -> dict[str, Any]:
    """A run's identity, metrics, duration and size, by column."""
    evaluation, config = run.evaluation, run.config
    collapse = evaluation.collapse
    return {
        "world": evaluation.world,
        "data": str(evaluation.data),
        "trained_on": str(config.training_data),
        "protocol": evaluation.protocol,
        "method": run.label,
        "seed": config.seed,
        **{name: evaluation.metrics.get(name) for name in _METRICS},
        "collapse": collapse.kind if collapse else "",
        "effective_rank": collapse.effective_rank if collapse else "",
        "spread": collapse.spread if collapse else "",
        "test_episodes": len({pair.episode for pair in evaluation.pairs}),
        "epochs": int(run.history[-1]["epoch"]),
        "steps": int(run.history[-1].get("step", 0)),
        "seconds": round(3600 * run.hours, 1),
        "core_seconds": round(evaluation.core_seconds, 1) or "",
        "image_size": config.image_size or "",
        "backbone": config.network,
        "depth": config.depth or "",
        "parameters": evaluation.parameters,
        "precision": config.precision,
        "processor": evaluation.processor,
        "trained_on_processor": "; ".join(evaluation.trained_on),
        "data_identity": evaluation.identity or "",
        "train_episodes": config.train_episodes or "",
        "folder": str(run.folder),
    }


def result_tables(runs: Sequence[Run]) -> list[ResultTable]:
    """One table for each folder of runs: seen views before unseen ones, then by name."""
    groups: dict[Path, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.folder.parent, []).append(run)
    tables = [_result_table(folder, group) for folder, group in groups.items()]
    return sorted(tables, key=lambda table: (table.protocol, table.folder.name))


def _result_table(folder: Path, runs: Sequence[Run]) -> ResultTable:
    first = runs[0].evaluation
    by_label: dict[str, list[Run]] = {}
    for run in runs:
        by_label.setdefault(run.label, []).append(run)
    rows = []
    for summary in summary_table([run.evaluation for run in runs], [run.label for run in runs]):
        group = by_label[summary.label]
        evaluations = [run.evaluation for run in group]
        baseline = by_label.get(baseline_of(summary.label, by_label, BASELINE) or "", ())
        tests = paired_tests([run.evaluation for run in baseline], evaluations)
        test = tests.pop(METRIC)
        # The paper has no runs that were trained on another data set than they were tested on.
        own = all(run.config.train_on is None for run in group)
        method = without_processor(summary.label)
        paper = paper_error(first.world, first.protocol, method) if own else None
        kinds = {e.seed: e.collapse.kind for e in evaluations if e.collapse}
        collapsed = tuple(seed for seed, kind in kinds.items() if kind in ("point", "line"))
        at_chance = tuple(seed for seed, kind in kinds.items() if kind == "chance")
        rows.append(ResultRow(summary, test, tests, paper, collapsed, at_chance))
    whole = corrected([row.test for row in rows])
    rows = [replace(row, test=test) for row, test in zip(rows, whole, strict=True)]
    return ResultTable(folder, first.world, first.protocol, setting(runs), rows, list(runs))


def setting(runs: Sequence[Run]) -> str:
    """Size and duration of the runs of a table as a sentence."""
    sizes = {run.config.image_size for run in runs} - {None}
    depths = {run.config.depth for run in runs if run.config.depth is not None}
    minutes = [60 * run.hours for run in runs]
    episodes = {pair.episode for pair in runs[0].evaluation.pairs}
    parts = [
        ", ".join(sorted({run.config.network for run in runs})),
        f"transformers cut to {count(depths, 'block')}" if depths else "",
        f"{span(sizes)} pixels" if sizes else "frames as stored",
        count((int(run.history[-1]["epoch"]) for run in runs), "epoch"),
        count((int(run.history[-1].get("step", 0)) for run in runs), "step"),
        count([len(episodes)], "test episode"),
        f"{between(minutes)} minutes for each run",
    ]
    return "; ".join(filter(None, parts))
