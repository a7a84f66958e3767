"""The cells of result tables, the same in Markdown and HTML."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from align.metrics.alignment import EGO_ERROR, METRICS, THIRD_ERROR
from align.metrics.names import GROUPS, METRIC_TITLES, MetricGroup
from align.results.chance import RANDOM, RANDOM_LABEL, alignment_chance, reference_rows
from align.results.processors import not_compared, without_processor
from align.results.significance import PairedTest
from align.results.summary import BASELINE, SummaryRow
from align.results.tables import ResultTable
from align.results.text import (
    ARROWS,
    NO_VALUE,
    format_change,
    format_spread,
    markdown,
    with_arrow,
)

# The metrics of the short table that follow the alignment error.
_SHORT = {
    "kendalls_tau_b": "Kendall's τ-b",
    "across_phase_f1": "phase F1 across views",
    "across_ap10": "AP@10 across views",
}
SPREAD_NOTE = (
    "Mean ± sample standard deviation over seeds of a run's mean over all pairs of views and test "
    f"episodes; with one seed the mean alone. {ARROWS}"
)
CHANCE_NOTE = f"The row “{RANDOM_LABEL}” is chance: what random embeddings reach."
APART = MetricGroup(
    f"Against {BASELINE} by kinds of views",
    {
        EGO_ERROR: "with the first-person view",
        THIRD_ERROR: "among third-person views",
    },
    "Change of the alignment error with its 95 % interval over seeds and test episodes.",
)
NO_VALUE_NOTE = (
    f"A dash ({NO_VALUE}): no value. The metric was not measured or is not defined (Kendall's τ-b "
    f"where all frames tie), the row is the baseline ({BASELINE}) itself or there is none, or "
    "chance is not known."
)


def summary_markdown(rows: Sequence[SummaryRow]) -> str:
    """One line for each method, reference values and how to read them, as Markdown."""
    columns = [with_arrow(name, METRIC_TITLES[name]) for name in METRICS]
    lines = [
        [row.label, *spreads(row, METRICS), str(len(row.seeds)), format_change(row.change)]
        for row in rows
    ]
    lines += [
        [label, *(format_spread(values[name]) for name in METRICS), "", ""]
        for label, values in reference_rows().items()
    ]
    table = markdown(["method", *columns, "seeds", f"against {BASELINE}"], lines)
    return f"{table}\n\n{SPREAD_NOTE} {CHANCE_NOTE} {NO_VALUE_NOTE}"


def short_table(table: ResultTable) -> list[list[str]]:
    """The header, one line for each method, and chance, of the most important columns."""
    known = known_metrics(list(_SHORT), summaries(table))
    papers = ["paper"] if any(row.paper is not None for row in table.rows) else []
    header = ["method", with_arrow("alignment_error", "alignment error"), f"against {BASELINE}"]
    lines = [[*header, "p", *papers, "seeds", *(with_arrow(name, _SHORT[name]) for name in known)]]
    for row in table.rows:
        paper = math.nan if row.paper is None else row.paper
        cells = [row.summary.label, *spreads(row.summary, ["alignment_error"])]
        cells += [
            format_test(row.test),
            format_p(row.test),
            *(format_spread(paper) for _ in papers),
        ]
        lines.append([*cells, str(len(row.summary.seeds)), *spreads(row.summary, known)])
    random = [RANDOM_LABEL, format_spread(RANDOM["alignment_error"]), "", "", *("" for _ in papers)]
    lines.append([*random, "", *(format_spread(RANDOM.get(name, math.nan)) for name in known)])
    return lines


def group_tables(table: ResultTable) -> list[tuple[MetricGroup, list[list[str]]]]:
    """Each group of metrics that is known, with the cells of its table."""
    chance = alignment_chance(_episode_lengths(table))
    tables = [(group, group_table(group, summaries(table), chance)) for group in GROUPS]
    found = [(group, lines) for group, lines in tables if lines]
    return [*found, *([(APART, apart)] if (apart := _apart(table)) else [])]


def _apart(table: ResultTable) -> list[list[str]]:
    """The header and one line for each method; nothing without a test of one kind of views."""
    kinds = [kind for kind in APART.metrics if any(row.tests_apart[kind] for row in table.rows)]
    if not kinds:
        return []
    lines = [
        [row.summary.label, *(format_test(row.tests_apart[kind]) for kind in kinds)]
        for row in table.rows
        if without_processor(row.summary.label) != BASELINE
    ]
    return [["method", *(APART.metrics[kind] for kind in kinds)], *lines]


def group_table(
    group: MetricGroup, rows: Sequence[SummaryRow], chance: Mapping[str, float]
) -> list[list[str]]:
    """The header, one line for each method and chance; nothing where no metric is known.

    Args:
        group: The metrics that are the columns; those that no method has are left out.
        rows: One row for each method.
        chance: Metric to its value for random embeddings.
    """
    known = known_metrics(list(group.metrics), rows)
    # The alignment error is in the first table already.
    if set(known) <= {"alignment_error"}:
        return []
    lines = [["method", *(with_arrow(name, group.metrics[name]) for name in known)]]
    lines += [[row.label, *spreads(row, known)] for row in rows]
    if set(chance) & set(known):
        lines.append([RANDOM_LABEL, *(format_spread(chance.get(n, math.nan)) for n in known)])
    return lines


def known_metrics(names: Sequence[str], rows: Sequence[SummaryRow]) -> list[str]:
    """The metrics of which some method has a value."""
    return [n for n in names if any(not math.isnan(row.mean.get(n, math.nan)) for row in rows)]


def spreads(row: SummaryRow, names: Sequence[str]) -> list[str]:
    """Mean and spread of each metric as text."""
    return [format_spread(row.mean[name], row.std[name]) for name in names]


def summaries(table: ResultTable) -> list[SummaryRow]:
    """Mean and spread of each method."""
    return [row.summary for row in table.rows]


def _episode_lengths(table: ResultTable) -> list[int]:
    embeddings = table.runs[0].evaluation.embeddings()
    return [len(next(iter(views.values()))) for views in embeddings.values()]


def warnings(table: ResultTable) -> list[str]:
    """`Collapsed: deit seed 0 1.`, and the same for runs that match no better than random."""
    verdicts = {
        "Collapsed": {row.summary.label: row.collapsed for row in table.rows},
        "No better than random": {row.summary.label: row.at_chance for row in table.rows},
    }
    named = {
        verdict: [
            f"{label} seed {' '.join(map(str, seeds))}" for label, seeds in found.items() if seeds
        ]
        for verdict, found in verdicts.items()
    }
    found = [f"{verdict}: {', '.join(runs)}." for verdict, runs in named.items() if runs]
    labels = [row.summary.label for row in table.rows]
    return [*found, *not_compared(labels, BASELINE, "align.evaluate")]


def format_test(test: PairedTest | None) -> str:
    """`−21.1 % (−30.2 to −9.8)`, or a dash."""
    if test is None or math.isnan(test.change):
        return NO_VALUE
    if math.isnan(test.low):
        return f"{format_change(test.change)} ({NO_VALUE})"
    ends = f"{test.low:+.1f} to {test.high:+.1f}".replace("-", "−")
    return f"{format_change(test.change)} ({ends})"


def format_p(test: PairedTest | None) -> str:
    """`0.012`, `< 0.001`, or a dash."""
    if test is None or math.isnan(test.p):
        return NO_VALUE
    return "< 0.001" if test.p < 0.001 else f"{test.p:.3f}"
