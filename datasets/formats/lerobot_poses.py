"""A copy of a LeRobot data set to which the keypoints and cameras of its views are added.

Tables get columns, and the metadata say so. Videos, and pictures inside the tables, stay as they
are, to the byte: videos of the copy are hard links where the disk allows these.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datasets.errors import FormatError, MismatchError, require
from datasets.formats.lerobot import OUR_META, LeRobotSource
from datasets.formats.lerobot_columns import (
    feature_names,
    pose_columns,
    pose_names,
    vector_array,
    vector_feature,
)
from datasets.formats.lerobot_layout import (
    COPY_AGAIN,
    EPISODES_FOLDER,
    EXTRA,
    INFO,
    STATS,
    STATS_OF_V2,
    json_lines,
    read_episodes,
    read_info,
    read_object,
    read_table,
    readable,
    write_json,
)
from datasets.formats.lerobot_stats import Stats, flatten, vectors_stats
from datasets.formats.lerobot_tables import row_groups, with_columns
from datasets.formats.numbered import PICTURE_SUFFIXES
from datasets.storage.checks import LEAVE_OUT
from datasets.storage.episode_file import Episode
from datasets.storage.meaning import require_sound
from datasets.storage.meta import DatasetMeta
from datasets.storage.own_files import own_files
from datasets.video import VIDEO_SUFFIXES

logger = logging.getLogger(__name__)

Columns = Mapping[str, np.ndarray]


class LeRobotPoses:
    """Adds keypoints and cameras of some views to a copy of a LeRobot data set.

    Attributes:
        source: The data set.
    """

    def __init__(self, source: LeRobotSource, views: Sequence[str]) -> None:
        """Reads the metadata that change, and checks them.

        Args:
            source: The data set.
            views: Views that get keypoints; the others stay as they are.

        Raises:
            DataError: When metadata are damaged, tables hold rows of unknown episodes, or other
                views have keypoints.
        """
        self.source, self._root, self._views = source, source.root, list(views)
        self._info = read_object(self._root / INFO)
        self._episodes = read_episodes(self._root, read_info(self._root), ())
        self._stats = self._read_stats()
        self._lines = self._read_lines()
        self._require_one_robot()
        self._require_listed()
        self._replaced = pose_names(views)

    def _read_stats(self) -> dict[str, Any] | None:
        path = self._root / STATS
        return read_object(path) if path.is_file() else None

    def _read_lines(self) -> list[dict[str, Any]] | None:
        """The statistics of each episode, in format v2.1."""
        path = self._root / STATS_OF_V2
        if not path.is_file():
            return None
        lines, known = list(json_lines(path)), {episode.index for episode in self._episodes}
        for line in lines:
            sound = isinstance(line, dict) and isinstance(line.get("stats"), dict)
            if not sound or line.get("episode_index") not in known:
                raise FormatError(
                    f"{path} has a line that is not of an episode of the data set; {COPY_AGAIN}"
                )
        return lines

    def _require_one_robot(self) -> None:
        """Checks that no other view has keypoints, which could be of other places on the robot."""
        known = [v for v in self.source.views if f"keypoints.{v}" in self._info["features"]]
        if left := [view for view in known if view not in self._views]:
            raise MismatchError(
                f"{self._root} has keypoints of {', '.join(left)}, and all views must show the "
                f"same places on the robot. Compute them together: --views "
                f"{' '.join([*self._views, *left])}"
            )
        if known:
            logger.warning(
                "%s has keypoints of %s already. Those of the copy are new, and so are its cameras",
                *(self._root, ", ".join(known)),
            )

    def _require_listed(self) -> None:
        """Checks that the tables hold rows of the listed episodes alone."""
        for table, listed in self._tables().items():
            rows = read_table(table, ["episode_index", "frame_index"])
            if unknown := set(_numbers(rows, "episode_index").tolist()) - listed:
                raise MismatchError(
                    f"{table} has rows of episode {min(unknown)}, which the list of episodes does "
                    f"not have there; {COPY_AGAIN}"
                )
        for folder in {table.parent for table in self._tables()}:
            for file in own_files(folder.glob("*.parquet")):
                if file not in self._tables():
                    raise MismatchError(
                        f"{file} is of no episode of the data set. Remove it, or {COPY_AGAIN}"
                    )

    def _tables(self) -> dict[Path, set[int]]:
        """Each table to the numbers of its episodes."""
        tables: dict[Path, set[int]] = {}
        for episode in self._episodes:
            tables.setdefault(episode.table, set()).add(episode.index)
        return tables

    def write(self, out: Path, meta: DatasetMeta, episodes: Iterable[Episode]) -> None:
        """Writes the copy.

        Args:
            out: An empty folder.
            meta: Facts that the episodes have in common, with the skeleton of the keypoints.
            episodes: Every episode with keypoints and cameras of its stored pictures, in the order
                of their numbers.

        Raises:
            DataError: When an episode differs from the first one in its parts, has values that
                cannot be, or a table cannot be read.
        """
        columns, features = self._columns(meta, episodes)
        changed = self._changed(columns, features)
        for file, write in changed.items():
            target = out / file.relative_to(self._root)
            target.parent.mkdir(parents=True, exist_ok=True)
            write(target)
        for file in _files(self._root):
            if file not in changed:
                _copy(file, out / file.relative_to(self._root))
        (out / OUR_META).write_text(meta.to_json())

    def _columns(
        self, meta: DatasetMeta, episodes: Iterable[Episode]
    ) -> tuple[dict[int, Columns], dict[str, Any]]:
        """The added columns of each episode by its number, and their entries in the metadata."""
        columns: dict[int, Columns] = {}
        features: dict[str, Any] = {}
        for files, episode in zip(self._episodes, episodes, strict=True):
            name = f"{self._root}: {files.index:06d}"
            require_sound(episode, meta, name, LEAVE_OUT)
            added = pose_columns(episode, self._views)
            names = feature_names(episode, meta)
            found = {key: vector_feature(value, names.get(key)) for key, value in added.items()}
            features = features or found
            if odd := [key for key in features | found if features.get(key) != found.get(key)]:
                raise MismatchError(
                    f"{name} and the first episode differ in {', '.join(odd)}. All episodes of "
                    "LeRobot have the same parts; leave the odd ones out."
                )
            columns[files.index] = added
        return columns, features

    def _changed(
        self, columns: Mapping[int, Columns], features: Mapping[str, Any]
    ) -> dict[Path, Callable[[Path], None]]:
        """Each file that differs in the copy, and what writes it to a place."""
        kept = {k: v for k, v in self._info["features"].items() if k not in self._replaced}
        info = self._info | {"features": {**kept, **features}}
        stats = {number: vectors_stats(each) for number, each in columns.items()}
        changed: dict[Path, Callable[[Path], None]] = {
            self._root / INFO: partial(write_json, content=info, allow_nan=True),
            self._root / OUR_META: _nothing,  # the caller's, written in the end
        }
        if self._stats is not None:
            of_all = {key: np.concatenate([c[key] for c in columns.values()]) for key in features}
            content = self._without(self._stats) | vectors_stats(of_all)
            changed[self._root / STATS] = partial(write_json, content=content, allow_nan=True)
        if self._lines is not None:
            changed[self._root / STATS_OF_V2] = partial(self._write_lines, stats)
        for file in own_files((self._root / EPISODES_FOLDER).glob("*/*.parquet")):
            changed[file] = partial(self._write_list, file, stats)
        for file in self._tables():
            changed[file] = partial(self._write_table, file, columns)
        return changed

    def _without(self, stats: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in stats.items() if key not in self._replaced}

    def _write_lines(self, stats: Mapping[int, Mapping[str, Stats]], out: Path) -> None:
        """Writes the statistics of each episode, in format v2.1."""
        with out.open("w") as file:
            for line in self._lines or ():
                own = self._without(line["stats"]) | dict(stats[line["episode_index"]])
                file.write(json.dumps({**line, "stats": own}) + "\n")

    def _write_list(self, file: Path, stats: Mapping[int, Mapping[str, Stats]], out: Path) -> None:
        """Writes a list of episodes in format v3, which has their statistics."""
        arrow, parquet = _arrow()
        with readable(file):
            rows = parquet.read_table(file)
        added: dict[str, Any] = {}
        if len(rows) and any(name.startswith("stats/") for name in rows.column_names):
            each = [flatten(stats[number]) for number in _numbers(rows, "episode_index").tolist()]
            added = {name: arrow.array([row[name] for row in each]) for name in each[0]}
        old = {
            name
            for name in rows.column_names
            if name.startswith("stats/") and name.split("/")[1] in self._replaced
        }
        parquet.write_table(with_columns(file, rows, added, old), out)

    def _write_table(self, file: Path, columns: Mapping[int, Columns], out: Path) -> None:
        _, parquet = _arrow()
        names = next(iter(columns.values())).keys()
        with ExitStack() as opened:
            writer = None
            for rows in row_groups(file):
                numbers, steps = _numbers(rows, "episode_index"), _numbers(rows, "frame_index")
                added = {n: vector_array(_of_rows(columns, n, numbers, steps)) for n in names}
                extended = with_columns(file, rows, added, self._replaced)
                if writer is None:
                    writer = opened.enter_context(parquet.ParquetWriter(out, extended.schema))
                writer.write_table(extended)


def _arrow() -> tuple[Any, Any]:
    return require("pyarrow", EXTRA), require("pyarrow.parquet", EXTRA)


def _nothing(out: Path) -> None:
    """Writes no file."""


def _numbers(rows: Any, name: str) -> np.ndarray:
    """A column of whole numbers, which some data sets store as lists of one."""
    return np.ravel(rows[name].to_pylist())


def _of_rows(
    columns: Mapping[int, Columns], name: str, numbers: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """The values of a column in some rows, (rows, D), which are of these episodes and steps."""
    first = next(iter(columns.values()))[name]
    values = np.empty((len(numbers), first.shape[1]), first.dtype)
    for number in np.unique(numbers).tolist():
        rows = numbers == number
        values[rows] = columns[number][name][steps[rows]]
    return values


def _files(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """All files of a data set, also behind links; folders that link to one above are left out."""
    place = os.path.realpath(folder)
    for path in own_files(folder.iterdir()) if place not in above else ():
        if path.is_dir():
            yield from _files(path, above | {place})
        else:
            yield path


def _copy(file: Path, out: Path) -> None:
    """Links videos and pictures, which nothing changes in place, and copies other files."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix.lower() in {*VIDEO_SUFFIXES, *PICTURE_SUFFIXES}:
        # The file itself rather than a link to it, which may lead nowhere from another folder.
        with suppress(OSError):  # another disk, or one without hard links
            os.link(os.path.realpath(file), out)
            return
    shutil.copyfile(file, out)
