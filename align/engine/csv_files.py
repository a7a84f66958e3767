"""CSV files: the only place that reads and writes them."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from datasets.storage.atomic import atomic_path

_MORE = ""  # the name of the cells beyond the last column


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a CSV file, whole or not at all, in full precision; None and NaN become empty."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([_cell(value) for value in row] for row in rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Reads a CSV file: column to text, for each row.

    Raises:
        ValueError: When the file is no text, or a row has too many or too few cells.
        csv.Error: When a line cannot be split into cells.
    """
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file, restkey=_MORE))
    for number, row in enumerate(rows, start=2):
        if _MORE in row or None in row.values():
            raise ValueError(f"line {number} is not whole")
    return rows


def _cell(value: Any) -> Any:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else value
