"""Clicks on links of a robot: a CSV table with the columns view, frame, link, x, y and episode."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

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
        DataError: When the file is missing or no table, lacks a column, or a number is none; names
            the line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file, skipinitialspace=True)
            _require_columns(path, table.fieldnames or ())
            return [_click(f"{path}:{table.line_num}", row) for row in table]
    except FileNotFoundError:
        raise MissingDataError(f"{path} does not exist. Check the path of --clicks.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DamagedDataError(f"{path} is no table of clicks ({error}). Restore it.") from None


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
    if missing := [name for name in _NEEDED if name not in names]:
        raise FormatError(
            f"{path} lacks the columns {', '.join(missing)}. Its first line must be "
            f"{','.join(_NEEDED)}, and may have episode as well."
        )


def _click(place: str, row: Mapping[str, str | None]) -> Click:
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
