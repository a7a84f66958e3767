"""CSV files beside views: when frames were taken, and what was measured at which time."""

from __future__ import annotations

import csv
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from datasets.errors import FormatError, MismatchError, MissingDataError
from datasets.formats.pairing import values_at
from datasets.storage.own_files import own_files

logger = logging.getLogger(__name__)

# Names of the column of times; endings that name its unit, and the seconds in it.
_TIMES = ("time", "timestamp", "stamp", "t")
_UNITS = {"": 1.0, "_s": 1.0, "_ms": 1e-3, "_us": 1e-6, "_ns": 1e-9}

# What separates columns in the CSV files of some programs and countries.
_OTHER_MARKS = {";": "semicolons", "\t": "tabs"}
# No camera that is aligned with another waits so many seconds for its next frame.
_LONGEST_STEP = 5.0


class TimeTable(NamedTuple):
    """A CSV file.

    Attributes:
        path: The file.
        times: In seconds; they grow.
        names: The other columns.
        values: Their values.
    """

    path: Path
    times: Float[np.ndarray, " rows"]
    names: list[str]
    values: Float[np.ndarray, "rows columns"]

    def at(
        self, times: Float[np.ndarray, " time"], within: float
    ) -> Float[np.ndarray, "time columns"]:
        """The columns at some times, linear between rows; see `pairing.values_at`."""
        columns = [
            values_at(times, self.times, values, within, f"{self.path}, {name}")
            for name, values in zip(self.names, self.values.T, strict=True)
        ]
        return np.stack(columns, axis=1)


def tables_beside(folder: Path, views: Collection[str]) -> dict[str, TimeTable]:
    """The CSV files of a folder by their names without the ending.

    Those with the name of a view must have times; others without times are named in a warning.

    Raises:
        FormatError: See `read_time_table`; also when a file with another name has times alone.
    """
    tables = {}
    for file in own_files(folder.glob("*.csv")):
        if file.stem in views or has_times(file):
            tables[file.stem] = read_time_table(file)
            if file.stem not in views and not tables[file.stem].names:
                named = " and ".join(f"{view}.csv" for view in views)
                raise FormatError(
                    f"{file} has times and no values. Where they are those of frames, copy it to "
                    f"{named}; otherwise remove it."
                )
        else:
            logger.warning("%s has no column of times and is not read", file)
    return tables


def stamps_of(
    tables: Mapping[str, TimeTable], frames: Mapping[str, int], name: str
) -> dict[str, Float[np.ndarray, " frames"]]:
    """The times of the frames of each view; empty where no view has a table.

    Args:
        tables: See `tables_beside`.
        frames: View to the number of its frames.
        name: The episode, for messages.

    Raises:
        MissingDataError: When some views have a table and others have none.
        MismatchError: When a table has another number of rows than its view has frames.
        FormatError: When its times are seconds apart, as those in another unit are.
    """
    clocked = [view for view in frames if view in tables]
    if not clocked:
        return {}
    if missing := [view for view in frames if view not in tables]:
        raise MissingDataError(
            f"{name}: {clocked[0]}.csv has the times of its frames, but {missing[0]}.csv does "
            "not exist. Write such a file for every view, or for none."
        )
    for view, count in frames.items():
        if len(tables[view].times) != count:
            raise MismatchError(
                f"{tables[view].path} has {len(tables[view].times)} times, but {view} has {count} "
                "frames. Write one row for each frame."
            )
        _require_seconds(tables[view])
    return {view: tables[view].times for view in frames}


def _require_seconds(table: TimeTable) -> None:
    """Checks that times of frames are in the unit that their column names."""
    step = float(np.median(np.diff(table.times))) if len(table.times) > 1 else 0.0
    if step > _LONGEST_STEP:
        raise FormatError(
            f"{table.path} has {step:g} s between frames. Call its column of times time_ms, "
            "time_us or time_ns where they are not in seconds."
        )


def read_time_table(path: Path) -> TimeTable:
    """Reads a CSV file whose first row names its columns.

    One column is the time, called time, timestamp, stamp or t. It is in seconds unless its name
    ends in _ms, _us or _ns.

    Raises:
        FormatError: When it is no CSV file, there is no such column, a value is no finite number,
            a row has another length, or times do not grow.
    """
    header, rows = _read(path)
    found = _time_column(header)
    if found is None:
        raise FormatError(
            f"{path} has the columns {header} and none of times: call it time, or time_ms, time_us "
            "or time_ns where it is not in seconds."
        )
    place, seconds = found
    numbers = np.array([_numbers(path, k, row, len(header)) for k, row in enumerate(rows, 2)])
    if not len(numbers):
        raise FormatError(f"{path} has no rows below its names. Write them, or remove the file.")
    # Nanoseconds since 1970 have more digits than a float, which is exact to a quarter microsecond.
    times = numbers[:, place] * seconds
    if (wrong := np.flatnonzero(np.diff(times) <= 0)).size:
        raise FormatError(
            f"{path}: the time of line {wrong[0] + 3} does not come after the one before. Remove "
            "the line."
        )
    others = [k for k in range(len(header)) if k != place]
    return TimeTable(path, times, [header[k] for k in others], numbers[:, others])


def has_times(path: Path) -> bool:
    """Whether a CSV file has a column of times; errors as in `read_time_table`."""
    return _time_column(_read(path)[0]) is not None


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Names of the columns, and the rows below them."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path} is no CSV file ({error}). Mend it, or remove it.") from error
    header = [name.strip() for name in rows[0]] if rows else []
    for mark, title in _OTHER_MARKS.items():
        if (
            len(header) == 1
            and mark in header[0]
            and _time_column(header[0].split(mark)) is not None
        ):
            raise FormatError(
                f"{path} has {title} between its columns. Save it with commas, and with decimal "
                "points in numbers."
            )
    return header, rows[1:]


def _time_column(header: list[str]) -> tuple[int, float] | None:
    """The place of the column of times, and the seconds of its unit; None without one."""
    for place, name in enumerate(header):
        for ending, seconds in _UNITS.items():
            if name.strip().lower() in {time + ending for time in _TIMES}:
                return place, seconds
    return None


def _numbers(path: Path, line: int, row: list[str], columns: int) -> list[float]:
    if len(row) != columns:
        raise FormatError(f"{path}: line {line} has {len(row)} values, not {columns}. Mend it.")
    try:
        numbers = [float(value) for value in row]
    except ValueError:
        numbers = [np.nan]
    if not np.isfinite(numbers).all():
        raise FormatError(f"{path}: line {line} holds something else than numbers. Mend it.")
    return numbers
