"""One row a method: mean and spread over seeds of what `align.evaluate` stored."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from align.methods import METHODS
from align.metrics.alignment import METRICS
from align.metrics.decoding import DECODING_METRICS, chance_errors
from align.metrics.names import METRIC_TITLES, MetricGroup
from align.results.evaluation import Evaluation
from align.results.text import _std, format_change, format_spread, markdown, mean
from datasets.errors import DataError
from datasets.storage.atomic import atomic_path

BASELINE = "deit"


@dataclass(frozen=True)
class SummaryRow:
    """Mean and sample standard deviation over the seeds of one method.

    Attributes:
        label: The method, with the options that tell it from other rows of that method.
        seeds: One run each, ascending.
        mean: Of every metric that all runs of the table have; NaN where no run has a value.
        std: Of the same; NaN with fewer than two values.
        change: Of the mean alignment error against the baseline's, in percent, negative is
            better; None for the baseline itself and without one.
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
        evaluations: Of one data set and split.
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
    # Runs may have been measured with and without the phases of the task.
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
            {name: _std(e.metrics[name] for e in group) for name in names},
            _change(label, {name: values["alignment_error"] for name, values in means.items()}),
        )
        for label, group in groups.items()
    ]


def require_comparable(evaluations: Sequence[Evaluation], labels: Sequence[str]) -> None:
    """Checks that means over these evaluations say something.

    Raises:
        DataError: When they are not of the same episodes and views, or one comes twice.
    """
    if not evaluations:
        raise DataError("no run to report on; name one or more folders made by `align.train`.")
    seen: dict[tuple[str, int], Path] = {}
    for label, evaluation in zip(labels, evaluations, strict=True):
        if text := difference(evaluations[0], evaluation):
            raise DataError(text)
        if twin := seen.get((label, evaluation.seed)):
            raise DataError(
                f"{twin} and {evaluation.run} are both {label} with seed {evaluation.seed}: "
                "one run counted twice would make the spread too small. Leave one out."
            )
        seen[label, evaluation.seed] = evaluation.run


def difference(first: Evaluation, second: Evaluation) -> str | None:
    """Why two evaluations do not compare, and what to do; None where they do."""
    for what, ours, theirs in (
        ("the data set", first.data.resolve(), second.data.resolve()),
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
    # Text and numbers take turns, so that like is compared with like.
    parts = [int(p) if i % 2 else p for i, p in enumerate(re.split(r"(\d+)", label))]
    return (order.index(method) if method in order else len(order), parts, seed)


def markdown_table(rows: Sequence[SummaryRow]) -> str:
    """The table as GitHub writes it, a line a method, without a newline at the end."""
    titles = ["method", *(METRIC_TITLES[name] for name in METRICS), "seeds", f"against {BASELINE}"]
    lines = []
    for row in rows:
        values = [format_spread(row.mean[name], row.std[name]) for name in METRICS]
        lines.append([row.label, *values, str(len(row.seeds)), format_change(row.change)])
    return markdown(titles, lines)


def write_summary(path: Path, rows: Sequence[SummaryRow]) -> None:
    """Writes the table as CSV with full precision; what is not known stays empty."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file)
        names = list(rows[0].mean) if rows else METRICS
        columns = [f"{name}_{part}" for name in names for part in ("mean", "std")]
        writer.writerow(["method", "seeds", *columns, f"change_against_{BASELINE}_percent"])
        for row in rows:
            values = [part[name] for name in names for part in (row.mean, row.std)]
            known = ["" if v is None or math.isnan(v) else v for v in (*values, row.change)]
            writer.writerow([row.label, " ".join(map(str, row.seeds)), *known])


def _change(label: str, errors: Mapping[str, float]) -> float | None:
    baseline = errors.get(BASELINE)
    if label == BASELINE or not baseline:
        return None
    return 100 * (errors[label] / baseline - 1)


def _measured(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    return sorted((pair.episode, pair.view1, pair.view2) for pair in evaluation.pairs)


def _labelled(first: Evaluation, second: Evaluation) -> tuple[int, int]:
    # Without any there are no phase metrics that could be compared wrongly.
    counts = first.labelled_episodes, second.labelled_episodes
    return counts if all(counts) else (0, 0)


def _short(value: object) -> str:
    return f"{len(value)} pairs" if isinstance(value, list) else str(value)


def group_table(
    group: MetricGroup, rows: Sequence[SummaryRow], lengths: Sequence[int]
) -> list[list[str]]:
    """The header and one line a method of the metrics of a group; nothing where none is known.

    Args:
        group: Whose metrics are the columns; those that no method has are left out.
        rows: One a method.
        lengths: Time steps of the test episodes, for what chance gives under each decoding.
    """
    known = known_metrics(list(group.metrics), rows)
    # The alignment error is in the first table already.
    if set(known) <= {"alignment_error"}:
        return []
    lines = [["method", *(group.metrics[name] for name in known)]]
    lines += [[row.label, *spreads(row, known)] for row in rows]
    if set(DECODING_METRICS) & set(known):
        chance = {"alignment_error": 1 / 3, **chance_errors(lengths)}
        lines.append(["random embeddings, about", *(format_spread(chance[name]) for name in known)])
    return lines


def known_metrics(names: Sequence[str], rows: Sequence[SummaryRow]) -> list[str]:
    """Those of the metrics that some method has a value of."""
    return [n for n in names if any(not math.isnan(row.mean.get(n, math.nan)) for row in rows)]


def spreads(row: SummaryRow, names: Sequence[str]) -> list[str]:
    """Mean and spread of each metric, as text."""
    return [format_spread(row.mean[name], row.std[name]) for name in names]
