"""The writer of LeRobot data sets of format v3, see `datasets.formats.lerobot`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets.bounds import Crf
from datasets.errors import MismatchError, require
from datasets.formats.lerobot import OUR_META
from datasets.formats.lerobot_columns import (
    episode_columns,
    feature_names,
    vector_array,
    vector_feature,
)
from datasets.formats.lerobot_depth import depth_feature, depth_histogram, depth_key, encode_depth
from datasets.formats.lerobot_layout import (
    EPISODES_FOLDER,
    EXTRA,
    IMAGES,
    INFO,
    STATS,
    TASKS,
    write_json,
)
from datasets.formats.lerobot_stats import (
    Stats,
    colour_histogram,
    flatten,
    image_stats,
    vectors_stats,
)
from datasets.frames import Picture
from datasets.storage.episode_file import SPLITS, Episode
from datasets.storage.meta import DatasetMeta
from datasets.video import pixel_format, write_video

VERSION = "v3.0"
_FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
DATA_PATH = f"data/{_FILE}.parquet"
VIDEO_PATH = f"videos/{{video_key}}/{_FILE}.mp4"
# The most files in a folder, and the size of a table after which the next file begins.
CHUNK = 1000
DATA_MEGABYTES = 100
# Training reads frames at random, so the decoder can begin at every 2nd frame.
KEY_FRAME_EVERY = 2


@dataclass(frozen=True)
class LeRobotOptions:
    """Options of a written LeRobot data set.

    Attributes:
        task: Description of the task for policies that read one; by default that of each episode,
            or else the environment's name.
        crf: H.264 quality of the videos, see mp4.crf.
    """

    task: str = ""
    crf: Crf = 18


class LeRobotWriter:
    """Writes episodes one after another; `close` writes the metadata of all of them."""

    def __init__(self, out: Path, meta: DatasetMeta, options: LeRobotOptions) -> None:
        """Prepares a data set in the empty folder `out`.

        Raises:
            DataError: When pyarrow is not installed.
        """
        self.pa, self.pq = require("pyarrow", EXTRA), require("pyarrow.parquet", EXTRA)
        self.out, self.meta, self.options = out, meta, options
        self.tasks: dict[str, int] = {}
        self.fps: float = int(meta.control_hz) if meta.control_hz % 1 == 0 else meta.control_hz
        self.rows: list[dict[str, Any]] = []
        self.splits = dict.fromkeys(SPLITS, 0)
        self.features: dict[str, dict[str, Any]] = {}
        self.frames = 0
        self._columns: dict[str, list[np.ndarray]] = {}
        self._histograms: dict[str, np.ndarray] = {}
        self._depth_histograms: dict[str, np.ndarray] = {}
        self._table: Any = None
        self._table_index, self._table_bytes = -1, 0

    def write(self, split: str, episode: Episode) -> None:
        """Adds an episode; the episodes of a split must follow each other.

        Raises:
            DataError: When its parts differ from those of the first episode, or in length.
        """
        index, steps = len(self.rows), len(episode)
        task = self.options.task or episode.task or self.meta.env
        number = self.tasks.setdefault(task, len(self.tasks))
        columns = episode_columns(episode, self.meta) | self._index_columns(index, steps, number)
        self.features = self.features or self._describe(episode, columns)
        if differing := columns.keys() ^ self._vectors():
            raise MismatchError(
                f"episode {index} and the first one differ in their parts: {sorted(differing)}. "
                "All episodes of LeRobot have the same parts; leave the odd ones out."
            )
        self._require_alike(index, columns)
        self._write_rows(columns, self._depth_arrays(episode))
        stats = vectors_stats(columns)
        row = {
            "episode_index": index,
            "tasks": [task],
            "length": steps,
            "dataset_from_index": self.frames,
            "dataset_to_index": self.frames + steps,
            **_place("data", self._table_index),
            **_place("meta/episodes", 0),
        }
        for view in self.meta.views:
            row |= self._write_video(index, view, episode, stats)
            if view in episode.depth:
                self._count_depth(view, episode, stats)
        self.rows.append(row | flatten(stats))
        for name, value in columns.items():
            self._columns.setdefault(name, []).append(value)
        self.splits[split] += 1
        self.frames += steps

    def _require_alike(self, index: int, columns: dict[str, np.ndarray]) -> None:
        for name, values in columns.items():
            wanted = self.features[name]["shape"][0], self.features[name]["dtype"]
            if (values.shape[1], values.dtype.name) != wanted:
                raise MismatchError(
                    f"episode {index}: {name} has {values.shape[1]} numbers of "
                    f"{values.dtype.name} a time step, the first one {wanted[0]} of {wanted[1]}. "
                    "All episodes of LeRobot have the same parts; leave the odd ones out."
                )

    def _vectors(self) -> list[str]:
        return [name for name in self.features if not name.startswith(IMAGES)]

    def _index_columns(self, index: int, steps: int, task: int) -> dict[str, np.ndarray]:
        frame_index = np.arange(steps)
        columns = {
            "timestamp": (frame_index / self.fps).astype(np.float32),
            "frame_index": frame_index,
            "episode_index": np.full(steps, index),
            "index": self.frames + frame_index,
            "task_index": np.full(steps, task),
        }
        return {name: value[:, None] for name, value in columns.items()}

    def close(self) -> None:
        """Writes the metadata."""
        if self._table is not None:
            self._table.close()
        folder = self.out / EPISODES_FOLDER / "chunk-000"
        folder.mkdir(parents=True)
        self.pq.write_table(self.pa.Table.from_pylist(self.rows), folder / "file-000.parquet")
        self.pq.write_table(self._tasks(), self.out / TASKS)
        stats = vectors_stats({name: np.concatenate(v) for name, v in self._columns.items()})
        stats |= {key: image_stats(h, self.frames) for key, h in self._histograms.items()}
        depths = self._depth_histograms.items()
        stats |= {key: image_stats(h, self.frames, scale=1) for key, h in depths}
        write_json(self.out / STATS, stats)
        write_json(self.out / INFO, self._info())
        (self.out / OUR_META).write_text(self.meta.to_json())

    def _describe(
        self, episode: Episode, columns: dict[str, np.ndarray]
    ) -> dict[str, dict[str, Any]]:
        names = feature_names(episode, self.meta)
        features: dict[str, dict[str, Any]] = {}
        for view in self.meta.views:
            height, width = episode.images[view].shape[1:3]
            features[IMAGES + view] = {
                "dtype": "video",
                "shape": [height, width, 3],
                "names": ["height", "width", "channels"],
                "info": {
                    "video.height": height,
                    "video.width": width,
                    "video.channels": 3,
                    "video.codec": "h264",
                    "video.pix_fmt": pixel_format(height, width),
                    "video.is_depth_map": False,
                    "video.fps": self.fps,
                    "has_audio": False,
                },
            }
        for view, depth in episode.depth.items():
            features[depth_key(view)] = depth_feature(*depth.shape[1:])
        for name, value in columns.items():
            features[name] = vector_feature(value, names.get(name))
        return features

    def _depth_arrays(self, episode: Episode) -> dict[str, Any]:
        """The depth of each view as Hugging Face's columns of pictures."""
        kind = self.pa.struct([("bytes", self.pa.binary()), ("path", self.pa.string())])
        return {
            depth_key(view): self.pa.array(
                [{"bytes": encode_depth(frame), "path": None} for frame in depth], kind
            )
            for view, depth in episode.depth.items()
        }

    def _count_depth(self, view: str, episode: Episode, stats: dict[str, Stats]) -> None:
        """The statistics of an episode's depth, in millimetres."""
        key, histogram = depth_key(view), depth_histogram(episode.depth[view])
        stats[key] = image_stats(histogram, len(episode), scale=1)
        self._depth_histograms[key] = self._depth_histograms.get(key, 0) + histogram

    def _write_rows(self, columns: dict[str, np.ndarray], depth: dict[str, Any]) -> None:
        vectors = {name: vector_array(columns[name]) for name in self._vectors()}
        table = self.pa.table(depth | vectors)
        if self._table is None or self._table_bytes + table.nbytes > DATA_MEGABYTES * 2**20:
            if self._table is not None:
                self._table.close()
            self._table_index, self._table_bytes = self._table_index + 1, 0
            path = self.out / _path(DATA_PATH, self._table_index)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._table = self.pq.ParquetWriter(path, table.schema)
        self._table.write_table(table)
        self._table_bytes += table.nbytes

    def _write_video(
        self, index: int, view: str, episode: Episode, stats: dict[str, Stats]
    ) -> dict[str, Any]:
        key, frames = IMAGES + view, episode.images[view]
        path = self.out / _path(VIDEO_PATH, index, video_key=key)
        path.parent.mkdir(parents=True, exist_ok=True)
        histogram = np.zeros((3, 256), np.int64)

        def counted() -> Iterator[Picture]:
            for frame in frames:
                np.add(histogram, colour_histogram(frame), out=histogram)
                yield frame

        write_video(path, counted(), self.fps, crf=self.options.crf, key_every=KEY_FRAME_EVERY)
        stats[key] = image_stats(histogram, len(frames))
        self._histograms[key] = self._histograms.get(key, 0) + histogram
        return {
            **_place(f"videos/{key}", index),
            f"videos/{key}/from_timestamp": 0.0,
            f"videos/{key}/to_timestamp": len(frames) / self.fps,
        }

    def _tasks(self) -> Any:
        table = self.pa.table({"task_index": [*self.tasks.values()], "task": [*self.tasks]})
        # LeRobot reads the table with pandas and finds tasks by the index that these metadata name.
        columns = [
            {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy_type}
            for name, kind, numpy_type in (
                ("task_index", "int64", "int64"),
                ("task", "unicode", "object"),
            )
        ]
        pandas = {"index_columns": ["task"], "column_indexes": [], "columns": columns}
        return table.replace_schema_metadata({"pandas": json.dumps(pandas)})

    def _info(self) -> dict[str, Any]:
        ends = np.cumsum(list(self.splits.values())).tolist()
        skeleton = self.meta.get_skeleton()
        return {
            "codebase_version": VERSION,
            "robot_type": skeleton.name if len(skeleton) else None,
            "total_episodes": len(self.rows),
            "total_frames": self.frames,
            "total_tasks": len(self.tasks),
            "chunks_size": CHUNK,
            "data_files_size_in_mb": DATA_MEGABYTES,
            "video_files_size_in_mb": 200,
            "fps": self.fps,
            "splits": {
                split: f"{end - count}:{end}"
                for (split, count), end in zip(self.splits.items(), ends, strict=True)
                if count
            },
            "data_path": DATA_PATH,
            "video_path": VIDEO_PATH,
            "features": self.features,
        }


def write_lerobot(
    out: Path,
    meta: DatasetMeta,
    episodes: Iterable[tuple[str, Episode]],
    options: LeRobotOptions,
) -> None:
    """Writes episodes as a LeRobot v3 data set.

    Args:
        out: An empty folder.
        meta: Facts that the episodes have in common.
        episodes: Pairs of split and episode, in the order of the splits.
        options: Task and quality of the videos.

    Raises:
        DataError: When pyarrow is not installed.
    """
    writer = LeRobotWriter(out, meta, options)
    for split, episode in episodes:
        writer.write(split, episode)
    writer.close()


def _path(pattern: str, number: int, **keys: str) -> str:
    return pattern.format(chunk_index=number // CHUNK, file_index=number % CHUNK, **keys)


def _place(prefix: str, number: int) -> dict[str, int]:
    return {f"{prefix}/chunk_index": number // CHUNK, f"{prefix}/file_index": number % CHUNK}
