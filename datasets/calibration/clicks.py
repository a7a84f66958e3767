"""Clicks on links of a robot: a CSV table with the columns view, frame, link, x, y and episode."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from datasets.errors import (
    DamagedDataError,
    FormatError,
    MismatchError,
    MissingDataError,
    require_known,
)
from datasets.storage.atomic import atomic_path

_NEEDED = ("view", "frame", "link", "x", "y")
COLUMNS = ("view", "episode", "frame", "link", "x", "y")
# Names this much alike are one name that was misspelt, such as epsiode; others are the user's own.
_MISSPELT = 0.75
# A person may click a link in the first pixel of a picture, but not so often.
_IN_A_CORNER = 2


@dataclass(frozen=True)
class Click:
    """Where a link is in a picture, as a person saw it.

    Attributes:
        view: The view.
        frame: Time step.
        link: A keypoint, or a link whose origin is meant.
        x: Pixels to the right of the picture's left edge.
        y: Pixels below its upper edge.
        episode: Position of the episode in the data set.
        place: The file and line that hold it, for messages.
    """

    view: str
    frame: int
    link: str
    x: float
    y: float
    episode: int = 0
    place: str = ""


def read_clicks(path: Path) -> list[Click]:
    """The clicks of a table; without a column `episode`, they are in the first one.

    Raises:
        DataError: When the file is missing or no table, lacks or misspells a column, or a number is
            none; names the line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file, skipinitialspace=True)
            table.fieldnames = [name.strip().lower() for name in table.fieldnames or ()]
            _require_columns(path, table.fieldnames)
            clicks = [_click(f"{path}:{table.line_num}", row) for row in table]
    except FileNotFoundError:
        raise MissingDataError(f"{path} does not exist. Check the path of --clicks.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DamagedDataError(
            f"{path} is no table of clicks ({error}). Save it as CSV in UTF-8, or restore it."
        ) from None
    _require_pixels(path, clicks)
    return clicks


def write_clicks(path: Path, clicks: Iterable[Click]) -> None:
    """Writes clicks as `read_clicks` reads them.

    Raises:
        OSError: When the file cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for click in clicks:
            table.writerow([getattr(click, column) for column in COLUMNS])


def require_possible(
    clicks: Sequence[Click],
    views: Sequence[str],
    lengths: Sequence[int],
    links: Iterable[str],
    size: Mapping[str, tuple[int, int]],
) -> None:
    """Checks that clicks are of views, episodes, frames and links that exist, in the pictures.

    Args:
        clicks: The clicks.
        views: The views of the data set.
        lengths: Time steps of each episode.
        links: Names of places on the robot.
        size: Height and width of each view's pictures.

    Raises:
        UnknownNameError: When there is no such view or link; names the line.
        MismatchError: When there is no such episode or frame, or a click is beside the picture.
    """
    links = list(links)
    for click in clicks:
        require_known(f"view in {click.place}:", click.view, views)
        require_known(f"link in {click.place}:", click.link, links)
        if not 0 <= click.episode < len(lengths):
            _beyond(click, f"episode {click.episode}", f"{len(lengths)} episodes", "episode")
        if not 0 <= click.frame < lengths[click.episode]:
            steps = f"{lengths[click.episode]} frames"
            _beyond(click, f"frame {click.frame}", steps, "frame")
        height, width = size[click.view]
        if not (0 <= click.x <= width and 0 <= click.y <= height):
            raise MismatchError(
                f"{click.place}: ({click.x:g}, {click.y:g}) is beside the picture of {click.view}, "
                f"which is {width} x {height} pixels. Correct x and y, or remove the line."
            )


def _beyond(click: Click, what: str, there: str, column: str) -> NoReturn:
    raise MismatchError(
        f"{click.place}: there is no {what}, the data have {there}, counted from 0. Correct the "
        f"{column}."
    )


def _require_columns(path: Path, names: Sequence[str]) -> None:
    line = ",".join(_NEEDED)
    for mark, called in ((";", "semicolons"), ("\t", "tabs")):
        if any(mark in name for name in names):
            raise FormatError(
                f"{path} has {called} between its columns. Save it with commas, and with decimal "
                "points in numbers."
            )
    if missing := [name for name in _NEEDED if name not in names]:
        raise FormatError(
            f"{path} lacks the columns {', '.join(missing)}. Its first line must be {line}, and "
            "may have episode as well."
        )
    for name in names:
        if name not in COLUMNS and (meant := get_close_matches(name, COLUMNS, 1, _MISSPELT)):
            raise FormatError(
                f"{path} has the column {name!r}: did you mean {meant[0]!r}? Rename it."
            )
        if names.count(name) > 1 and name in COLUMNS:
            raise FormatError(f"{path} has the column {name!r} twice. Remove one.")


def _require_pixels(path: Path, clicks: Sequence[Click]) -> None:
    """Checks that clicks are no shares of a picture's sides, which would all lie in one corner."""
    if len(clicks) > _IN_A_CORNER and max(max(c.x, c.y) for c in clicks) <= 1:
        raise FormatError(
            f"{path} has x and y from 0 to 1: they must be pixels, not shares of a side."
        )


def _click(place: str, row: Mapping[str | None, Any]) -> Click:
    if any(word.strip() for word in row.get(None, ())):
        raise FormatError(
            f"{place}: there are more values than columns. Write decimal points, not commas."
        )
    return Click(
        str(row["view"] or "").strip(),
        int(_number(place, "frame", row["frame"], whole=True)),
        str(row["link"] or "").strip(),
        _number(place, "x", row["x"]),
        _number(place, "y", row["y"]),
        int(_number(place, "episode", row.get("episode") or "0", whole=True)),
        place,
    )


def _number(place: str, column: str, word: str | None, whole: bool = False) -> float:
    try:
        value = float(word or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (whole and value != round(value)):
        kind = "a whole number" if whole else "a number"
        raise FormatError(f"{place}: {column} must be {kind}, got {word!r}. Correct the line.")
    return value
