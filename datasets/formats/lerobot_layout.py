"""Where a LeRobot data set keeps each episode: format v3, and v2 with one file an episode.

v3: `meta/episodes/chunk-000/file-000.parquet` lists the episodes, and several episodes share a
table and a video. v2: `meta/episodes.jsonl` lists them, and `data/chunk-000/episode_000000.parquet`
and `videos/chunk-000/KEY/episode_000000.mp4` are of one episode.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError

from datasets.errors import DamagedDataError, FormatError, MismatchError, MissingDataError, require
from datasets.storage.inside import path_inside
from datasets.storage.meta import MOST_HZ
from datasets.storage.own_files import own_files

EXTRA = "lerobot-export"
IMAGES = "observation.images."
INFO, EPISODES_FOLDER = Path("meta/info.json"), Path("meta/episodes")
EPISODES_OF_V2 = Path("meta/episodes.jsonl")
STATS, STATS_OF_V2 = Path("meta/stats.json"), Path("meta/episodes_stats.jsonl")
TASKS, TASKS_OF_V2 = Path("meta/tasks.parquet"), Path("meta/tasks.jsonl")
# The column of pandas' index, in which LeRobot keeps the text of tasks, if the index has no name.
_UNNAMED_INDEX = "__index_level_0__"
COPY_AGAIN = "copy the data set again."
# Every row has a number and a time of its own, which take far more than a hundredth of a byte
# however they are compressed.
ROWS_PER_BYTE = 100


@dataclass(frozen=True)
class Feature:
    """A column, or a view, as `meta/info.json` describes it."""

    dtype: str
    shape: list[NonNegativeInt]
    names: Any = None
    info: dict[str, Any] | None = None
    video_info: dict[str, Any] | None = None

    @property
    def is_depth(self) -> bool:
        """Whether the pictures hold distances, not colours."""
        facts = {**(self.info or {}), **(self.video_info or {})}
        return bool(facts.get("is_depth_map") or facts.get("video.is_depth_map"))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of pictures; some data sets store the channels first."""
        if len(self.shape) != 3:
            return 0, 0
        height, width = self.shape[:2]
        if isinstance(self.names, list) and len(self.names) == 3:
            named = dict(zip(map(str, self.names), self.shape, strict=True))
            return named.get("height", height), named.get("width", width)
        if self.shape[0] in (1, 3) and self.shape[2] not in (1, 3):
            return self.shape[1], self.shape[2]
        return height, width


@dataclass(frozen=True)
class Info:
    """The parts of `meta/info.json` that are read."""

    codebase_version: str
    fps: Annotated[FiniteFloat, Field(gt=0, le=MOST_HZ)]
    data_path: str
    features: dict[str, Feature]
    video_path: str | None = None
    chunks_size: PositiveInt = 1000
    total_episodes: NonNegativeInt | None = None
    splits: dict[str, str] | None = None


@dataclass(frozen=True)
class EpisodeFiles:
    """Where the parts of an episode lie.

    Attributes:
        index: The episode's number.
        length: Its time steps.
        table: Its table, which may hold other episodes too.
        videos: Key of each video feature to its file, and the time in that file, in seconds, at
            which the episode begins.
    """

    index: int
    length: int
    table: Path
    videos: dict[str, tuple[Path, float]]


def read_info(root: Path) -> Info:
    """Reads `meta/info.json`.

    Raises:
        DamagedDataError: When it is not JSON.
        FormatError: When it lacks an entry, an entry is of the wrong kind, or the version is not
            read.
    """
    path = root / INFO
    content = read_object(path)
    version = str(content.get("codebase_version"))
    if not re.match(r"v[23]\.", version):
        raise FormatError(
            f"{path}: LeRobot's formats v2 and v3 are read, not {version}. Download a revision of "
            "the data set in one of them."
        )
    return _validated(TypeAdapter(Info), content, path)


@dataclass(frozen=True)
class _Task:
    task_index: NonNegativeInt
    task: str


def read_tasks(root: Path) -> dict[int, str]:
    """Number of each task to its text; empty where the data set has no list of tasks.

    Raises:
        DataError: When the list is damaged.
    """
    for path, read in ((root / TASKS, _rows_of_tasks), (root / TASKS_OF_V2, json_lines)):
        if path.is_file():
            tasks = [_validated(TypeAdapter(_Task), row, path) for row in read(path)]
            return {task.task_index: task.task for task in tasks}
    return {}


def _rows_of_tasks(path: Path) -> Iterator[Any]:
    for row in read_table(path, ["task_index"], ["task", _UNNAMED_INDEX]).to_pylist():
        yield {"task": row.get(_UNNAMED_INDEX), **row}


def read_object(path: Path) -> dict[str, Any]:
    """The object that a file of JSON holds.

    Raises:
        DataError: When it holds none; names it.
    """
    content = _json(path.read_bytes(), path)
    if not isinstance(content, dict):
        raise FormatError(f"{path} holds no JSON object; {COPY_AGAIN}")
    return content


def write_json(path: Path, content: Any, allow_nan: bool = False) -> None:
    """Writes a file of JSON in lines; LeRobot's own may hold NaN, which JSON does not know."""
    path.write_text(json.dumps(content, indent=4, allow_nan=allow_nan) + "\n")


def json_lines(path: Path) -> Iterator[Any]:
    """The values in the lines of a file.

    Raises:
        DamagedDataError: When a line is not JSON.
    """
    for line in path.read_bytes().splitlines():
        if line.strip():
            yield _json(line, path)


def read_episodes(root: Path, info: Info, videos: Collection[str]) -> list[EpisodeFiles]:
    """Lists the episodes in the order of their numbers.

    Args:
        root: Folder of the data set.
        info: Its `meta/info.json`.
        videos: Keys of the video features that are read.

    Raises:
        DataError: When the list is missing, damaged, or contradicts itself or `meta/info.json`.
    """
    read = _read_v3 if info.codebase_version.startswith("v3.") else _read_v2
    episodes = sorted(read(root, info, videos), key=lambda episode: episode.index)
    if not episodes:
        raise MissingDataError(f"{root} has no episodes; {COPY_AGAIN}")
    numbers = [episode.index for episode in episodes]
    if repeated := [a for a, b in zip(numbers, numbers[1:], strict=False) if a == b]:
        raise MismatchError(f"{root}: episode {repeated[0]} is listed twice; {COPY_AGAIN}")
    if info.total_episodes not in (None, len(episodes)):
        raise MismatchError(
            f"{root / INFO} counts {info.total_episodes} episodes, but {len(episodes)} are "
            f"listed; {COPY_AGAIN}"
        )
    _require_apart(episodes, info.fps)
    return episodes


@dataclass(frozen=True)
class _Row:
    episode_index: NonNegativeInt
    length: PositiveInt


@dataclass(frozen=True)
class _Place:
    chunk_index: NonNegativeInt
    file_index: NonNegativeInt
    from_timestamp: FiniteFloat = 0.0


def _read_v3(root: Path, info: Info, videos: Collection[str]) -> Iterator[EpisodeFiles]:
    files = own_files((root / EPISODES_FOLDER).glob("*/*.parquet"))
    if not files:
        raise MissingDataError(f"{root / EPISODES_FOLDER} has no list of episodes; {COPY_AGAIN}")
    needed = {"episode_index", "length", "data/chunk_index", "data/file_index"}
    needed |= {f"videos/{key}/{part}" for key in videos for part in _Place.__dataclass_fields__}
    for file in files:
        for row in read_table(file, sorted(needed)).to_pylist():
            listed = _validated(TypeAdapter(_Row), row, file)
            data = _place(row, "data", file)
            places = {key: _place(row, f"videos/{key}", file) for key in videos}
            yield EpisodeFiles(
                listed.episode_index,
                listed.length,
                _file(root, info.data_path, vars(data)),
                {
                    key: (
                        _file(root, info.video_path, vars(place), key),
                        place.from_timestamp,
                    )
                    for key, place in places.items()
                },
            )


def _place(row: Mapping[str, Any], prefix: str, file: Path) -> _Place:
    parts = {
        name: row[f"{prefix}/{name}"]
        for name in _Place.__dataclass_fields__
        if f"{prefix}/{name}" in row
    }
    return _validated(TypeAdapter(_Place), parts, file)


def _read_v2(root: Path, info: Info, videos: Collection[str]) -> Iterator[EpisodeFiles]:
    path = root / EPISODES_OF_V2
    if not path.is_file():
        raise MissingDataError(f"{path} does not exist; {COPY_AGAIN}")
    for line in json_lines(path):
        row = _validated(TypeAdapter(_Row), line, path)
        names = {
            "episode_chunk": row.episode_index // info.chunks_size,
            "episode_index": row.episode_index,
        }
        yield EpisodeFiles(
            row.episode_index,
            row.length,
            _file(root, info.data_path, names),
            {key: (_file(root, info.video_path, names, key), 0.0) for key in videos},
        )


def _require_apart(episodes: list[EpisodeFiles], fps: float) -> None:
    """Checks that no two episodes take the same span of a video."""
    spans: dict[Path, list[tuple[float, float, int]]] = {}
    for episode in episodes:
        for file, start in episode.videos.values():
            span = (start, start + (episode.length - 0.5) / fps, episode.index)
            spans.setdefault(file, []).append(span)
    for file, of_file in spans.items():
        of_file.sort()
        for (_, end, one), (start, _, other) in zip(of_file, of_file[1:], strict=False):
            if start < end:
                raise MismatchError(
                    f"{file}: episodes {one} and {other} both have the frames at {start:.3f} s; "
                    f"{COPY_AGAIN}"
                )


def _file(root: Path, pattern: str | None, names: Mapping[str, Any], key: str = "") -> Path:
    if pattern is None:
        raise FormatError(f"{root / INFO} lacks video_path; {COPY_AGAIN}")
    try:
        name = pattern.format(**names, video_key=key)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise FormatError(
            f"{root / INFO}: the path {pattern!r} cannot be filled in ({error}); {COPY_AGAIN}"
        ) from None
    # Hugging Face's cache consists of links to files elsewhere.
    return path_inside(root, name, root / INFO, may_link=True)


def read_table(
    file: Path, needed: Collection[str], wanted: Collection[str] = (), episode: int | None = None
) -> Any:
    """Reads columns of a Parquet table.

    Args:
        file: The table.
        needed: Columns that must be there.
        wanted: Columns that are read where they are there.
        episode: Number of the episode whose rows are read; by default all rows.

    Raises:
        DataError: When the table is missing or damaged, lacks a column, or declares more rows than
            it can hold.
    """
    tables = require("pyarrow.parquet", EXTRA)
    with readable(file):
        described, size = tables.read_metadata(file), file.stat().st_size
        if described.num_rows > ROWS_PER_BYTE * size:
            raise DamagedDataError(
                f"{file} declares {described.num_rows} rows in {size} bytes; {COPY_AGAIN}"
            )
        there = described.schema.to_arrow_schema().names
        require_names(file, there, needed)
        columns = [name for name in there if name in needed or name in wanted]
        rows = None if episode is None else [("episode_index", "=", episode)]
        return tables.read_table(file, columns=columns, filters=rows)


@contextmanager
def readable(table: Path) -> Iterator[None]:
    """Turns errors inside the block into a DataError that names the table."""
    arrow = require("pyarrow", EXTRA)
    try:
        yield
    except FileNotFoundError:
        raise MissingDataError(f"{table} does not exist; {COPY_AGAIN}") from None
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        why = str(error).splitlines()[0]
        raise DamagedDataError(
            f"{table} cannot be read as a Parquet table ({why}); {COPY_AGAIN}"
        ) from error


def require_names(path: Path, there: Collection[str], needed: Collection[str]) -> None:
    """Checks that a file has all entries that are needed.

    Raises:
        FormatError: When one is missing; names it.
    """
    if missing := [name for name in needed if name not in there]:
        raise FormatError(f"{path} lacks {', '.join(missing)}; {COPY_AGAIN}")


def _json(text: bytes, path: Path) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DamagedDataError(f"{path} is not valid JSON ({error}); {COPY_AGAIN}") from None


def _validated(kind: TypeAdapter[Any], content: Any, path: Path) -> Any:
    try:
        return kind.validate_python(content)
    except ValidationError as error:
        wrong = error.errors()[0]
        place = "/".join(map(str, wrong["loc"]))
        if wrong["type"] == "missing":
            raise FormatError(f"{path} lacks {place}; {COPY_AGAIN}") from None
        raise FormatError(
            f"{path}: `{place}` cannot be used: {wrong['msg']}; {COPY_AGAIN}"
        ) from None
