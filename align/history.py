"""`metrics.csv`: what each epoch of a run measured."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from datasets.atomic import atomic_path


def write_history(path: Path, rows: Iterable[Mapping[str, float]]) -> None:
    """Writes one row an epoch as CSV; what an epoch did not measure stays empty."""
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def read_history(path: Path) -> list[dict[str, float]]:
    """Reads what `write_history` wrote."""
    with open(path, newline="") as file:
        return [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(file)
        ]
