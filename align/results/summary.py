"""One row for each method: mean and spread over seeds of the metrics that runs have stored."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from align.engine.csv_files import write_csv
from align.methods import METHODS
from align.metrics.alignment import METRICS
from align.results.evaluation import Evaluation, require_pairs
from align.results.processors import baseline_of
from align.results.statistics import mean, std
from datasets.errors import MismatchError, MissingDataError
from datasets.storage.identity import short

BASELINE = "deit"


@dataclass(frozen=True)
class SummaryRow:
    """Mean and sample standard deviation over the seeds of one method.

    Attributes:
        label: The method, with the options that distinguish it from other rows of that method.
        seeds: Seed of each run, ascending.
        mean: Mean of every metric that all runs of the table have; NaN where no run has a value.
        std: Sample standard deviation of the same metrics; NaN with fewer than two values.
        change: Change of the mean alignment error against the baseline's on the same processor, in
            percent, negative is better; None for the baseline itself and without one.
    """

    label: str
    seeds: tuple[int, ...]
    mean: Mapping[str, float]
    std: Mapping[str, float]
    change: float | None


def summary_table(
    evaluations: Sequence[Evaluation], labels: Sequence[str] | None = None
) -> list[SummaryRow]:
    """Groups evaluations into rows: methods in their usual order, then all others by name.

    Args:
        evaluations: Evaluations on one data set and split.
        labels: The row of each evaluation; by default its method.

    Raises:
        DataError: When evaluations are not of the same episodes and views, or one comes twice.
    """
    labels = [e.method for e in evaluations] if labels is None else list(labels)
    require_comparable(evaluations, labels)
    groups: dict[str, list[Evaluation]] = {}
    for label, evaluation in sorted(
        zip(labels, evaluations, strict=True), key=lambda pair: run_order(pair[0], pair[1].seed)
    ):
        groups.setdefault(label, []).append(evaluation)
    # Some of the runs may have been measured without the phases of the task.
    names = [name for name in evaluations[0].metrics if all(name in e.metrics for e in evaluations)]
    means = {
        label: {name: mean(e.metrics[name] for e in group) for name in names}
        for label, group in groups.items()
    }
    return [
        SummaryRow(
            label,
            tuple(e.seed for e in group),
            means[label],
            {name: std(e.metrics[name] for e in group) for name in names},
            _change(label, {name: values["alignment_error"] for name, values in means.items()}),
        )
        for label, group in groups.items()
    ]


def require_comparable(evaluations: Sequence[Evaluation], labels: Sequence[str]) -> None:
    """Checks that evaluations can be averaged and compared.

    Raises:
        DataError: When they are not of the same episodes and views, or one comes twice.
    """
    if not evaluations:
        raise MissingDataError(
            "no run to report on; name one or more folders made by `align.train`."
        )
    for evaluation in evaluations:
        require_pairs(evaluation)
    seen: dict[tuple[str, int], Path] = {}
    for label, evaluation in zip(labels, evaluations, strict=True):
        if text := difference(evaluations[0], evaluation):
            raise MismatchError(text)
        if twin := seen.get((label, evaluation.seed)):
            raise MismatchError(
                f"{twin} and {evaluation.run} are both {label} with seed {evaluation.seed}: "
                "one run counted twice would make the spread too small. Leave one out."
            )
        seen[label, evaluation.seed] = evaluation.run


def difference(first: Evaluation, second: Evaluation) -> str | None:
    """Why two evaluations cannot be compared, and the remedy; None where they can."""
    for what, ours, theirs in (
        ("the data set", *_data(first, second)),
        ("the split", first.split, second.split),
        ("the episodes and views", _measured(first), _measured(second)),
        ("--labelled-episodes", *_labelled(first, second)),
    ):
        if ours != theirs:
            return (
                f"{first.run} and {second.run} differ in {what} they were measured on "
                f"({_short(ours)} and {_short(theirs)}). Report on them separately."
            )
    return None


def run_order(label: str, seed: int) -> tuple[int, list[str | int], int]:
    """Sorts runs: methods in their usual order, then by options (2 before 12), then by seed."""
    method, order = label.split(",")[0], [str(name) for name in METHODS]
    # Text and numbers alternate, so that text is compared with text and numbers with numbers.
    parts = [int(p) if i % 2 else p for i, p in enumerate(re.split(r"(\d+)", label))]
    return (order.index(method) if method in order else len(order), parts, seed)


def write_summary(path: Path, rows: Sequence[SummaryRow]) -> None:
    """Writes the rows as CSV in full precision; missing values are empty."""
    names = list(rows[0].mean) if rows else METRICS
    columns = [f"{name}_{part}" for name in names for part in ("mean", "std")]
    header = ["method", "seeds", *columns, f"change_against_{BASELINE}_percent"]
    lines = []
    for row in rows:
        values = [part[name] for name in names for part in (row.mean, row.std)]
        lines.append([row.label, " ".join(map(str, row.seeds)), *values, row.change])
    write_csv(path, header, lines)


def _change(label: str, errors: Mapping[str, float]) -> float | None:
    name = baseline_of(label, errors, BASELINE)
    if name is None or not errors[name]:
        return None
    return 100 * (errors[label] / errors[name] - 1)


def _data(first: Evaluation, second: Evaluation) -> tuple[object, object]:
    # Evaluations of earlier versions store a path alone.
    if first.identity and second.identity:
        if first.identity == second.identity:
            return None, None
        one, other = (f"{e.data}, identity {short(e.identity)}" for e in (first, second))
        return one, other
    return first.data.resolve(), second.data.resolve()


def _measured(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    return sorted((pair.episode, pair.view1, pair.view2) for pair in evaluation.pairs)


def _labelled(first: Evaluation, second: Evaluation) -> tuple[int, int]:
    # A run without labelled episodes has no phase metrics that could be compared wrongly.
    counts = first.labelled_episodes, second.labelled_episodes
    return counts if all(counts) else (0, 0)


def _short(value: object) -> str:
    return f"{len(value)} pairs" if isinstance(value, list) else str(value)
