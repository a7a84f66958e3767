"""LeRobot's data set format v3: parquet tables, MP4s, and metadata in JSON; v2 is read too.

    meta/info.json  meta/stats.json  meta/tasks.parquet  meta/episodes/chunk-000/file-000.parquet
    data/chunk-000/file-000.parquet
    videos/observation.images.ego/chunk-000/file-000.mp4

Data of a robot have LeRobot's names: `action`, `observation.state` (all proprioception),
`observation.images.VIEW`, `next.reward`, `next.done`, `next.success`. Poses and cameras have names
that policies ignore: `keypoints.VIEW` (x and y of each keypoint, NaN where behind the camera),
`visible.VIEW`, `camera.VIEW.intrinsics`, `camera.VIEW.world_to_camera`, `keypoints_world`, `phase`,
`sim_state`. The coefficients of a lens that distorts are `camera.VIEW.plumb_bob` or
`camera.VIEW.fisheye`. The depth of a view is `observation.images.VIEW_depth`, see
`datasets.formats.lerobot_depth`. `meta/posealign.json` is this project's `meta.json`, which LeRobot
does not read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8, UInt16

from datasets.errors import FormatError, MismatchError, MissingDataError
from datasets.formats.lerobot_columns import episode_from_columns
from datasets.formats.lerobot_depth import decode_depth, depth_key
from datasets.formats.lerobot_layout import (
    COPY_AGAIN,
    IMAGES,
    INFO,
    EpisodeFiles,
    Feature,
    read_episodes,
    read_info,
    read_table,
    read_tasks,
)
from datasets.frames import Frames, LazyFrames
from datasets.pictures import read_picture
from datasets.source import Source, bare_meta, in_memory
from datasets.storage.episode_file import SPLITS, Episode
from datasets.storage.index import require_disjoint
from datasets.storage.inside import require_plain_name
from datasets.storage.meta import DatasetMeta
from datasets.video import lazy_frames, stored_times

logger = logging.getLogger(__name__)

OUR_META = Path("meta/posealign.json")
# How far the time of a frame may be from the time of its row, in seconds: LeRobot's `tolerance_s`.
TOLERANCE = 1e-4
# Features that place a row in time, which every table has.
_PLACES = ("episode_index", "frame_index", "timestamp")
# Types of the columns that are read, besides pictures.
_NUMBERS = {f"{kind}{bits}" for kind in ("int", "uint", "float") for bits in (8, 16, 32, 64)}
_NUMBERS |= {"bool"}
# Names of splits that others use.
_SPLIT_NAMES = {split: split for split in SPLITS} | {"val": "valid", "validation": "valid"}


class LeRobotSource(Source):
    """A LeRobot data set of format v3 or v2, written by this project or by others."""

    title = "LeRobot v3 or v2"
    looks_like = "meta/info.json, data/chunk-000/file-000.parquet, videos/"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether there is a `meta/info.json`."""
        return (path / INFO).is_file()

    def __init__(self, path: Path) -> None:
        """Reads the metadata.

        Raises:
            DataError: When the format has another version, the metadata are incomplete or
                contradict each other, or pyarrow is not installed.
        """
        self.root, self._info = path, read_info(path)
        self._features = self._views_of(path)
        self._depth = self._depth_of(path)
        first = next(iter(self._features))
        self._files = read_episodes(path, self._info, self._keys("video"))
        self.names = [f"{files.index:06d}" for files in self._files]
        self.lengths = [files.length for files in self._files]
        self.frame_size = self._info.features[self._features[first]].size
        if min(self.frame_size) < 1:
            raise FormatError(f"{path / INFO}: {first} has no height and width; {COPY_AGAIN}")
        self.meta = self._read_meta(path)
        self._tasks = read_tasks(path)
        self.tasks = [task for task in self._tasks.values() if task != self.meta.env]

    def _views_of(self, path: Path) -> dict[str, str]:
        """Name of each view to the key of its feature, without depth."""
        views: dict[str, str] = {}
        for key in (key for key, feature in self._pictures.items() if not feature.is_depth):
            view = key.removeprefix(IMAGES)
            require_plain_name(view, path / INFO)
            if view in views:
                raise MismatchError(
                    f"{path / INFO}: {views[view]} and {key} are both the view {view}; rename one."
                )
            views[view] = key
        if not views:
            raise MissingDataError(f"{path} has no pictures, neither videos nor images.")
        return views

    @property
    def _pictures(self) -> dict[str, Feature]:
        return {k: f for k, f in self._info.features.items() if f.dtype in ("video", "image")}

    def _depth_of(self, path: Path) -> dict[str, str]:
        """Name of each view to the key of its depth; empty where some view has none of its size.

        Depth that belongs to no view, or is in videos, is left out with a message.
        """
        found = {
            view: depth_key(view)
            for view, key in self._features.items()
            if (feature := self._info.features.get(depth_key(view))) is not None
            and feature.is_depth
            and (feature.dtype, feature.size) == ("image", self._info.features[key].size)
        }
        found = found if found.keys() == self._features.keys() else {}
        if left_out := [
            k for k, f in self._pictures.items() if f.is_depth and k not in found.values()
        ]:
            logger.warning("%s: depth is not read: %s", path, ", ".join(left_out))
        return found

    def _keys(self, dtype: str) -> list[str]:
        return [k for k in self._features.values() if self._info.features[k].dtype == dtype]

    def _read_meta(self, path: Path) -> DatasetMeta:
        ours = path / OUR_META
        if not ours.exists():
            name, hz = path.resolve().name, self._info.fps
            meta = bare_meta(name, list(self._features), self.frame_size[0], hz)
            return replace(meta, depth=bool(self._depth))
        meta = DatasetMeta.from_json(ours.read_bytes(), ours)
        if set(meta.views) != set(self._features):
            raise MismatchError(
                f"{ours} has the views {meta.views}, {path / INFO} {list(self._features)}; "
                f"{COPY_AGAIN}"
            )
        return replace(meta, depth=meta.depth and bool(self._depth))

    @cached_property
    def splits(self) -> dict[str, list[int]] | None:
        """Positions of the episodes of each split; None for a single split, LeRobot's default.

        Raises:
            DataError: When a split is no range of episodes, or an episode is in two.
        """
        ranges = self._info.splits or {}
        if len(ranges) < 2 or not ranges.keys() <= _SPLIT_NAMES.keys():
            return None
        splits: dict[str, list[int]] = {split: [] for split in SPLITS}
        for name, text in ranges.items():
            splits[_SPLIT_NAMES[name]] += self._numbers(name, text)
        require_disjoint(splits, self.root / INFO, "Convert it with --split 10,5,5.")
        position = {files.index: i for i, files in enumerate(self._files)}
        return {split: [position[n] for n in numbers] for split, numbers in splits.items()}

    def _numbers(self, name: str, text: str) -> range:
        known = {files.index for files in self._files}
        try:
            first, end = (int(part) for part in text.split(":"))
        except ValueError:
            first, end = 0, -1
        if not 0 <= first <= end <= max(known) + 1 or not known.issuperset(range(first, end)):
            raise FormatError(
                f"{self.root / INFO}: the split {name} is {text!r}, which is no range of its "
                f"{len(known)} episodes. Convert it with --split 10,5,5."
            )
        return range(first, end)

    def episode(self, i: int) -> Episode:
        """Reads the pictures and the table rows of an episode."""
        return in_memory(self.lazy_episode(i))

    def lazy_episode(self, i: int) -> Episode:
        """Reads the table rows of an episode, and pictures inside them; videos are read as used.

        Raises:
            MismatchError: When a row has no frame at its time, or rows are missing.
            DataError: When a file cannot be read.
        """
        files = self._files[i]
        features = self._info.features
        table = read_table(
            files.table,
            [*_PLACES, *self._keys("image"), *self._depth.values()],
            [name for name in features if self._is_read(name)],
            files.index,
        )
        self._require_in_time(files, table)
        images: dict[str, Frames] = {
            view: self._from_video(files, key)
            if features[key].dtype == "video"
            else self._from_table(files, table, key)
            for view, key in self._features.items()
        }
        columns = {
            name: self._column(files, table, name)
            for name, feature in features.items()
            if name in table.column_names and feature.dtype in _NUMBERS
        }
        episode = episode_from_columns(images, columns, self.meta, str(files.table))
        depth = {view: self._depth_from_table(files, table, k) for view, k in self._depth.items()}
        task = self._task_of(files, columns.get("task_index"))
        return replace(episode, depth=depth if self.meta.depth else {}, task=task)

    def _task_of(self, files: EpisodeFiles, numbers: np.ndarray | None) -> str | None:
        """The task of an episode, or its first one; None where the data set has none."""
        if numbers is None or not self._tasks:
            return None
        found = list(dict.fromkeys(numbers.ravel().tolist()))
        if unknown := [number for number in found if number not in self._tasks]:
            raise MismatchError(
                f"{files.table}: episode {files.index} has the task {unknown[0]}, which is not in "
                f"the list of tasks in {self.root / 'meta'}; {COPY_AGAIN}"
            )
        if len(found) > 1:
            logger.warning(
                "%s: episode %d has %d tasks, of which the first is kept.",
                *(self.root, files.index, len(found)),
            )
        task = self._tasks[found[0]]
        # Our own export names the world where an episode has no task.
        return None if task == self.meta.env else task

    def _is_read(self, name: str) -> bool:
        pictures = (*self._features.values(), *self._depth.values())
        return name in pictures or self._info.features[name].dtype in _NUMBERS

    def _column(self, files: EpisodeFiles, table: Any, name: str) -> np.ndarray:
        try:
            values = np.array(table[name].to_pylist()).reshape(len(table), -1)
        except ValueError:  # rows of several lengths
            values = np.array([None])
        if values.dtype.kind not in "fiub":
            raise FormatError(
                f"{files.table}: {name} of episode {files.index} is not one or more numbers in "
                f"every row; {COPY_AGAIN}"
            )
        return values

    def _require_in_time(self, files: EpisodeFiles, table: Any) -> None:
        """Checks that the rows are all of an episode, in order, and at their times."""
        if len(table) != files.length:
            raise MismatchError(
                f"{files.table} has {len(table)} rows of episode {files.index}, which has "
                f"{files.length} time steps; {COPY_AGAIN}"
            )
        steps = np.arange(files.length)
        if not np.array_equal(np.ravel(table["frame_index"].to_pylist()), steps):
            raise MismatchError(
                f"{files.table}: the rows of episode {files.index} are not numbered 0, 1, 2, … by "
                f"frame_index; {COPY_AGAIN}"
            )
        times = np.ravel(table["timestamp"].to_pylist()).astype(np.float64)
        # Times are stored in single precision.
        allowed = TOLERANCE + np.spacing(np.abs(times).astype(np.float32))
        off = ~(np.abs(times - steps / self._info.fps) <= allowed)
        if off.any():
            step = int(off.argmax())
            raise MismatchError(
                f"{files.table}: time step {step} of episode {files.index} has the timestamp "
                f"{times[step]:.4f} s, but is at {step / self._info.fps:.4f} s with "
                f"{self._info.fps:g} frames a second. Leave the episode out, or write the data set "
                "again with its true rate."
            )

    def _from_video(self, files: EpisodeFiles, key: str) -> LazyFrames:
        file, start = files.videos[key]
        wanted = start + np.arange(files.length) / self._info.fps
        times = stored_times(file)
        right = np.clip(np.searchsorted(times, wanted), 1, max(len(times) - 1, 1))
        nearer = np.abs(times[right - 1] - wanted) <= np.abs(times[right % len(times)] - wanted)
        indices = np.where(nearer, right - 1, right)
        off = ~(np.abs(times[indices] - wanted) <= TOLERANCE)
        if off.any():
            step = int(off.argmax())
            raise MismatchError(
                f"{file} has no frame at {wanted[step]:.4f} s, where time step {step} of episode "
                f"{files.index} is; the nearest is at {times[indices[step]]:.4f} s. Copy the file "
                "again, or leave the episode out."
            )
        frames = lazy_frames(file, indices)
        self._require_size(frames.shape, str(file), key)
        return frames

    def _from_table(
        self, files: EpisodeFiles, table: Any, key: str
    ) -> UInt8[np.ndarray, "time height width 3"]:
        frames = []
        for content, name in _cells(files, table, key):
            frames.append(read_picture(content, name))
            self._require_size((1, *frames[-1].shape), name, key)
        return np.stack(frames)

    def _depth_from_table(
        self, files: EpisodeFiles, table: Any, key: str
    ) -> UInt16[np.ndarray, "time height width"]:
        size, cells = self._info.features[key].size, _cells(files, table, key)
        return np.stack([decode_depth(content, size, name) for content, name in cells])

    def _require_size(self, shape: tuple[int, ...], name: str, key: str) -> None:
        height, width = self._info.features[key].size
        if shape[1:3] != (height, width):
            raise MismatchError(
                f"{name} has frames of {shape[2]} x {shape[1]} pixels, but "
                f"{self.root / INFO} says {width} x {height}; {COPY_AGAIN}"
            )


def _cells(files: EpisodeFiles, table: Any, key: str) -> Iterator[tuple[bytes, str]]:
    """The pictures inside a table, and a name of each for messages."""
    for step, cell in enumerate(table[key].to_pylist()):
        content = cell.get("bytes") if isinstance(cell, dict) else cell
        name = f"{files.table}: {key} of episode {files.index}, time step {step},"
        if not isinstance(content, bytes):
            raise MissingDataError(f"{name} is not inside the table; {COPY_AGAIN}")
        yield content, name
