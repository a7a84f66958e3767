"""Tables of one group of metrics, alike in a report and in the tables of a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

from align.decoding import DECODING_METRICS, chance_errors
from align.metric_names import MetricGroup
from align.summary import SummaryRow, format_spread


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
