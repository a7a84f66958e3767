"""Tables as text: Markdown, and how spreads, changes and counts are written."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from align.results.statistics import mean, std

ARROWS = "↓: lower is better; ↑: higher is better."
NO_VALUE = "–"
# A number, perhaps with a sign, in bold or with a spread; no words.
_NUMBER = re.compile(r"[*+−-]*(nan|[\d.][^A-Za-z]*)")


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in GitHub's Markdown; columns of numbers are aligned to the right."""
    rows = list(rows)
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    marks = ["---:" if _is_numeric(column) else "---" for column in columns]
    return "\n".join([_line(header), f"|{'|'.join(marks)}|", *map(_line, rows)])


def _is_numeric(column: Sequence[str]) -> bool:
    """Whether the cells are numbers, perhaps with a spread or a unit, and not empty ones alone."""
    cells = [cell for cell in column if cell not in ("", NO_VALUE)]
    return bool(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)


def _line(cells: Sequence[str]) -> str:
    # A bar in an option's value would start a new column.
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def with_arrow(metric: str, title: str) -> str:
    """A column's title with the direction in which its metric is better: `cycle error ↓`."""
    return f"{title} {'↓' if 'error' in metric else '↑'}"


def format_spread(mean: float, std: float = math.nan, *, digits: int = 3) -> str:
    """`0.123 ± 0.004`; the mean alone where the spread is NaN, a dash where the mean is."""
    if math.isnan(mean):
        return NO_VALUE
    text = f"{mean:.{digits}f}".replace("-", "−")
    return text if math.isnan(std) else f"{text} ± {std:.{digits}f}"


def spread(values: Sequence[float], *, digits: int = 3) -> str:
    """Mean and sample standard deviation of values, as `format_spread` writes them."""
    return format_spread(mean(values), std(values), digits=digits)


def format_change(change: float | None) -> str:
    """`−21.1 %`, or a dash."""
    return NO_VALUE if change is None else f"{change:+.1f} %".replace("-", "−")


def count(numbers: Iterable[int], noun: str) -> str:
    """`1 epoch`, `3 epochs`, or `1 to 3 epochs` where numbers differ."""
    known = sorted(set(numbers))
    return f"{span(known)} {noun}{'' if known == [1] else 's'}"


def between(values: Iterable[float]) -> str:
    """`3.6 to 4.5`: the lowest and the highest number with one digit, once where they are equal."""
    known = sorted(values)
    ends = dict.fromkeys(f"{value:.1f}" for value in (known[0], known[-1]))
    return " to ".join(ends)


def span(values: Iterable[Any]) -> str:
    """`3`, or `1 to 3`: the lowest and the highest of some values."""
    known = sorted(set(values))
    return f"{known[0]}" if len(known) == 1 else f"{known[0]} to {known[-1]}"
