"""Cells of tables: Markdown, spreads, changes, and means that skip what is no number."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells as GitHub writes a table, all but the first column to the right."""
    lines = [_line(header), "|---" + "|---:" * (len(header) - 1) + "|", *map(_line, rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    # A bar in an option's value would start a new column.
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def format_spread(mean: float, std: float = math.nan, *, digits: int = 3) -> str:
    """`0.123 ± 0.004`; only the mean where the spread is not known, a dash where neither is."""
    if math.isnan(mean):
        return "–"
    text = f"{mean:.{digits}f}".replace("-", "−")
    return text if math.isnan(std) else f"{text} ± {std:.{digits}f}"


def format_change(change: float | None) -> str:
    """`−21.1 %`, or a dash."""
    return "–" if change is None else f"{change:+.1f} %".replace("-", "−")


def mean(values: Iterable[float]) -> float:
    """Mean of the values that are numbers (tau-b has none where all tie), NaN of none."""
    known = [value for value in values if not math.isnan(value)]
    return statistics.fmean(known) if known else math.nan


def _std(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return statistics.stdev(known) if len(known) > 1 else math.nan
