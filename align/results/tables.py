"""What a grid of runs has measured so far: one row a run as CSV, one table a world and protocol."""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from align.engine.run_folder import CONFIG_NAME
from align.metrics.names import GROUPS
from align.results.evaluation import evaluation_path
from align.results.runs import Run, load_runs, variant_options
from align.results.significance import PairedTest, paired_test
from align.results.summary import BASELINE, SummaryRow, difference, summary_table
from datasets.errors import DataError
from datasets.storage.atomic import atomic_path

log = logging.getLogger(__name__)

SOURCE = "Seeing the Pose in the Pixels, Table 5: other episodes than ours, 224 × 224 pixels"
# World to method to alignment error, seen views; TCN and Disentangle have no Can and Lift.
PAPER_ERRORS: Mapping[str, Mapping[str, float]] = {
    "pick": {
        "tcn": 0.273,
        "disentangle": 0.155,
        "3dtrl": 0.116,
        "deit": 0.216,
        "paab": 0.165,
        "paat": 0.159,
    },
    "minecraft": {
        "tcn": 0.286,
        "disentangle": 0.233,
        "3dtrl": 0.202,
        "deit": 0.292,
        "paab": 0.151,
        "paat": 0.149,
    },
    "can": {"3dtrl": 0.060, "deit": 0.065, "paab": 0.053, "paat": 0.059},
    "lift": {"3dtrl": 0.081, "deit": 0.095, "paab": 0.075, "paat": 0.074},
}


def paper_error(world: str, protocol: str, method: str) -> float | None:
    """The paper's alignment error of a method on a world; None where it reports none."""
    return PAPER_ERRORS.get(world, {}).get(method) if protocol == "seen" else None


RUNS_NAME = "runs.csv"
_METRICS = tuple(dict.fromkeys(name for group in GROUPS for name in group.metrics))


@dataclass(frozen=True)
class ResultRow:
    """One method on one world under one protocol.

    Attributes:
        summary: Mean and spread over seeds.
        test: Against the baseline; None for the baseline itself, and without a common seed.
        paper: The paper's alignment error on its own episodes.
        collapsed: Seeds whose embeddings have collapsed.
        at_chance: Seeds whose embeddings differ, but match no better than random ones.
    """

    summary: SummaryRow
    test: PairedTest | None
    paper: float | None
    collapsed: tuple[int, ...]
    at_chance: tuple[int, ...]


@dataclass(frozen=True)
class ResultTable:
    """All methods on one world under one protocol.

    Attributes:
        folder: Of its runs.
        world: Name of the environment.
        protocol: Which views were tested on.
        setting: Size and duration of the runs, in words.
        rows: In the usual order of methods.
        runs: That the rows are of.
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
        """`tcn+paat, spread: batch.spread True` of each variant of a method."""
        return [f"{label}: {options}" for label, options in variant_options(self.runs).items()]


def measured_runs(out: Path) -> list[Run]:
    """All trained and measured runs of a grid.

    What is of another version, or was measured on other episodes or views than most runs of its
    data set and protocol, is told in the log and left out.
    """
    runs = []
    for group in sorted({path.parent.parent for path in out.glob(f"*/*/{CONFIG_NAME}")}):
        folders = [path.parent for path in sorted(group.glob(f"*/{CONFIG_NAME}"))]
        measured = [f for f in folders if evaluation_path(f, "test").exists()]
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
    """Folders of the runs that compare with the one that most others compare with."""
    evaluations = [run.evaluation for run in runs]
    differences = [[difference(one, other) for other in evaluations] for one in evaluations]
    if not differences:
        return []
    usual = max(differences, key=lambda row: row.count(None))
    for text in filter(None, usual):
        log.warning("left out: %s", text)
    return [run.folder for run, text in zip(runs, usual, strict=True) if text is None]


def write_runs(path: Path, runs: Sequence[Run]) -> None:
    """Writes one row a run as CSV with full precision; what is not known stays empty."""
    rows = [run_row(run) for run in runs]
    columns = list(rows[0]) if rows else []
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def run_row(run: Run) -> dict[str, Any]:
    """A run's identity, metrics, duration and size, by column."""
    evaluation, config = run.evaluation, run.config
    values = {name: evaluation.metrics.get(name, math.nan) for name in _METRICS}
    collapse = evaluation.collapse
    return {
        "world": evaluation.world,
        "data": str(evaluation.data),
        "trained_on": str(config.training_data),
        "protocol": evaluation.protocol,
        "method": run.label,
        "seed": config.seed,
        **{name: "" if math.isnan(value) else value for name, value in values.items()},
        "collapse": collapse.kind if collapse else "",
        "effective_rank": collapse.effective_rank if collapse else "",
        "spread": collapse.spread if collapse else "",
        "test_episodes": len({pair.episode for pair in evaluation.pairs}),
        "epochs": int(run.history[-1]["epoch"]),
        "steps": int(run.history[-1].get("step", 0)),
        "seconds": round(3600 * run.hours, 1),
        "image_size": config.image_size or "",
        "backbone": config.network,
        "depth": config.depth or "",
        "parameters": evaluation.parameters,
        "precision": config.precision,
        "train_episodes": config.train_episodes or "",
        "folder": str(run.folder),
    }


def result_tables(runs: Sequence[Run]) -> list[ResultTable]:
    """One table a folder of runs: seen views before unseen ones, then by name."""
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
    baseline = [run.evaluation for run in by_label.get(BASELINE, ())]
    rows = []
    for summary in summary_table([run.evaluation for run in runs], [run.label for run in runs]):
        group = by_label[summary.label]
        evaluations = [run.evaluation for run in group]
        # Seeded alike for every row: a table made again is the same table.
        test = None
        if summary.label != BASELINE:
            test = paired_test(baseline, evaluations, np.random.default_rng(0))
        # The paper has no runs that learned from other episodes than those of their data set.
        own = all(run.config.train_on is None for run in group)
        paper = paper_error(first.world, first.protocol, summary.label) if own else None
        kinds = {e.seed: e.collapse.kind for e in evaluations if e.collapse}
        collapsed = tuple(seed for seed, kind in kinds.items() if kind in ("point", "line"))
        at_chance = tuple(seed for seed, kind in kinds.items() if kind == "chance")
        rows.append(ResultRow(summary, test, paper, collapsed, at_chance))
    return ResultTable(folder, first.world, first.protocol, setting(runs), rows, list(runs))


def setting(runs: Sequence[Run]) -> str:
    """How large the runs of a table were and how long they took, in words."""
    sizes = {run.config.image_size for run in runs} - {None}
    depths = {run.config.depth for run in runs} - {None}
    seconds = sorted(3600 * run.hours for run in runs)
    parts = [
        ", ".join(sorted({run.config.network for run in runs})),
        f"transformers cut to {_span(depths)} blocks" if depths else "",
        f"{_span(sizes)} pixels" if sizes else "frames as stored",
        f"{_span({int(run.history[-1]['epoch']) for run in runs})} epochs",
        f"{_span({int(run.history[-1].get('step', 0)) for run in runs})} steps",
        f"{len({pair.episode for pair in runs[0].evaluation.pairs})} test episodes",
        f"{seconds[0] / 60:.1f} to {seconds[-1] / 60:.1f} minutes a run",
    ]
    return "; ".join(filter(None, parts))


def _span(values: set[Any]) -> str:
    return f"{min(values)}" if len(values) == 1 else f"{min(values)} to {max(values)}"
