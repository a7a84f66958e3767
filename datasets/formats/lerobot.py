"""LeRobot's data set format v3: parquet tables, MP4s, and metadata in JSON.

    meta/info.json  meta/stats.json  meta/tasks.parquet  meta/episodes/chunk-000/file-000.parquet
    data/chunk-000/file-000.parquet
    videos/observation.images.ego/chunk-000/file-000.mp4

Data of a robot have LeRobot's names: `action`, `observation.state` (all proprioception),
`observation.images.VIEW`, `next.reward`, `next.done`, `next.success`. Poses and cameras have names
that policies ignore: `keypoints.VIEW` (x and y of each keypoint, NaN where behind the camera),
`visible.VIEW`, `camera.VIEW.intrinsics`, `camera.VIEW.world_to_camera`, `keypoints_world`, `phase`,
`sim_state`. `meta/posealign.json` is this project's `meta.json`, which LeRobot does not read.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from datasets.errors import (
    DamagedDataError,
    FormatError,
    MismatchError,
    MissingDataError,
    require,
)
from datasets.formats.lerobot_columns import episode_from_columns
from datasets.source import Source, bare_meta
from datasets.storage.episode_file import SPLITS, Episode
from datasets.storage.inside import path_inside
from datasets.storage.meta import DatasetMeta
from datasets.video import read_frames

EXTRA = "lerobot-export"
VERSION = "v3.0"
IMAGES = "observation.images."
INFO, STATS, TASKS = (Path("meta", name) for name in ("info.json", "stats.json", "tasks.parquet"))
EPISODES_FOLDER, OUR_META = Path("meta/episodes"), Path("meta/posealign.json")
_FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
DATA_PATH = f"data/{_FILE}.parquet"
VIDEO_PATH = f"videos/{{video_key}}/{_FILE}.mp4"


class LeRobotSource(Source):
    """A LeRobot v3 data set with videos, written by this project or by others."""

    title = "LeRobot v3"
    looks_like = "meta/info.json, data/chunk-000/file-000.parquet, videos/"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether there is a `meta/info.json`."""
        return (path / INFO).is_file()

    def __init__(self, path: Path) -> None:
        """Reads the metadata.

        Raises:
            DataError: When the format has another version, the metadata are incomplete, or pyarrow
                is not installed.
        """
        self._arrow, self._tables = require("pyarrow", EXTRA), require("pyarrow.parquet", EXTRA)
        self.root = path
        info = _read_json(path / INFO)
        version = str(info.get("codebase_version"))
        if not version.startswith("v3."):
            raise FormatError(
                f"{path} is in LeRobot's format {version}, only v3 is read. Convert it with "
                "python -m lerobot.datasets.v30.convert_dataset_v21_to_v30"
            )
        _require_names(path / INFO, info, ("features", "fps", "data_path", "video_path"))
        self._info, features = info, info["features"]
        self._videos = {
            key.removeprefix(IMAGES): key for key, f in features.items() if f["dtype"] == "video"
        }
        if not self._videos:
            raise MissingDataError(
                f"{path} has no videos; frames inside parquet files are not read."
            )
        self._rows = self._read_rows()
        self.names = [f"{row['episode_index']:06d}" for row in self._rows]
        self.lengths = [row["length"] for row in self._rows]
        self.frame_size = _frame_size(features[next(iter(self._videos.values()))])
        if (path / OUR_META).exists():
            self.meta = DatasetMeta.from_json((path / OUR_META).read_bytes(), path / OUR_META)
        else:
            self.meta = bare_meta(
                path.resolve().name, list(self._videos), self.frame_size[0], info["fps"]
            )
        self.splits = _splits(info.get("splits", {}))

    def _read_rows(self) -> list[dict[str, Any]]:
        files = sorted((self.root / EPISODES_FOLDER).glob("*/*.parquet"))
        if not files:
            raise MissingDataError(f"{self.root / EPISODES_FOLDER} has no list of episodes.")
        places = [f"videos/{key}" for key in self._videos.values()]
        needed = {"episode_index", "length"} | {f"{place}/from_timestamp" for place in places}
        needed |= {f"{p}/{part}_index" for p in ("data", *places) for part in ("chunk", "file")}
        rows = []
        for file in files:
            with self._readable(file):
                names = self._tables.read_schema(file).names
                _require_names(file, names, sorted(needed))
                wanted = [name for name in names if not name.startswith("stats/")]
                rows += self._tables.read_table(file, columns=wanted).to_pylist()
        return rows

    def episode(self, i: int) -> Episode:
        """Decodes the videos and reads the table rows of an episode."""
        row, images = self._rows[i], {}
        for view, key in self._videos.items():
            file = self._file(self._info["video_path"], row, f"videos/{key}", key)
            first = round(row[f"videos/{key}/from_timestamp"] * self._info["fps"])
            images[view] = read_frames(file, first + np.arange(row["length"]))
        return episode_from_columns(images, self._columns(row), self.meta)

    def _columns(self, row: dict[str, Any]) -> dict[str, np.ndarray]:
        file = self._file(self._info["data_path"], row, "data")
        with self._readable(file):
            table = self._tables.read_table(
                file, filters=[("episode_index", "=", row["episode_index"])]
            )
        if len(table) != row["length"]:
            raise MismatchError(
                f"{file} has {len(table)} rows of episode {row['episode_index']}, which has "
                f"{row['length']} time steps; copy the data set again."
            )
        return {
            name: np.array(table[name].to_pylist()).reshape(len(table), -1)
            for name, feature in self._info["features"].items()
            if name in table.column_names and feature["dtype"] not in ("string", "image")
        }

    @contextmanager
    def _readable(self, table: Path) -> Iterator[None]:
        """Turns errors inside the block into a DataError that names the table."""
        try:
            yield
        except FileNotFoundError:
            raise MissingDataError(f"{table} does not exist; copy the data set again.") from None
        except (self._arrow.ArrowException, OSError) as error:
            why = str(error).splitlines()[0]
            raise DamagedDataError(
                f"{table} cannot be read as a Parquet table ({why}); copy the data set again."
            ) from error

    def _file(self, pattern: str, row: dict[str, Any], prefix: str, key: str = "") -> Path:
        chunk, number = row[f"{prefix}/chunk_index"], row[f"{prefix}/file_index"]
        name = pattern.format(chunk_index=chunk, file_index=number, video_key=key)
        # Hugging Face's cache consists of links to files elsewhere.
        return path_inside(self.root, name, self.root / INFO, may_link=True)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DamagedDataError(
            f"{path} is not valid JSON ({error}); copy the data set again."
        ) from None


def _require_names(path: Path, there: Collection[str], needed: Collection[str]) -> None:
    if missing := [name for name in needed if name not in there]:
        raise MissingDataError(f"{path} lacks {', '.join(missing)}; copy the data set again.")


def _frame_size(feature: dict[str, Any]) -> tuple[int, int]:
    """Height and width of a video; some data sets store the channels first and name the axes."""
    height, width = feature["shape"][:2]
    named = dict(zip(feature.get("names") or (), feature["shape"], strict=False))
    return named.get("height", height), named.get("width", width)


def _splits(ranges: dict[str, str]) -> dict[str, list[int]] | None:
    """Splits from LeRobot's `{"train": "0:10", …}`; None for a single split, its default."""
    if len(ranges) < 2 or not ranges.keys() <= set(SPLITS):
        return None
    found = {split: [int(end) for end in text.split(":")] for split, text in ranges.items()}
    return {split: list(range(*found.get(split, [0, 0]))) for split in SPLITS}
