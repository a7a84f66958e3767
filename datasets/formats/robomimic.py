"""Demonstrations in one HDF5 file, in robomimic's layout: `data/demo_0/obs/agentview_image`.

A file that this project writes holds all parts of its episodes, and robomimic's own tools train on
it; the attribute `posealign_meta` of `data` is the project's `meta.json`. In a file by others, the
views are the observations whose names end with `_image`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from datasets.errors import DamagedDataError, MismatchError, MissingDataError
from datasets.source import USUAL_HZ, Source, bare_meta
from datasets.storage.checks import open_episode, require_one_length
from datasets.storage.episode_file import SPLITS, Episode, read_episode, write_episode
from datasets.storage.index import demo_number, read_splits, write_masks
from datasets.storage.meta import DatasetMeta

META_ATTRIBUTE = "posealign_meta"
_IMAGE = "_image"
_COPY_AGAIN = "Name another file, or download or copy it again."


def open_demonstrations(path: Path) -> AbstractContextManager[h5py.File]:
    """Opens a file of demonstrations for reading.

    Raises:
        DataError: When the file is missing or truncated, when it links into another file, or when
            the block reads data that are missing or damaged.
    """
    return open_episode(path, attribute=None, remedy=_COPY_AGAIN)


class RobomimicSource(Source):
    """One HDF5 file of demonstrations with images."""

    title = "robomimic HDF5"
    looks_like = "one .hdf5 file with data/demo_0/obs/agentview_image"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether `path` is an HDF5 file."""
        return path.is_file() and h5py.is_hdf5(path)

    def __init__(self, path: Path) -> None:
        """Reads the shapes of every demonstration's images.

        Raises:
            DataError: When the file has no demonstrations, or their images are missing or differ.
        """
        self.root = path
        with open_demonstrations(path) as file:
            data = file.get("data")
            if not isinstance(data, h5py.Group) or not len(data):
                raise MissingDataError(
                    f"{path} holds no demonstrations data/demo_0, data/demo_1, …"
                )
            self.names = sorted(data, key=demo_number)
            first = _image_shapes(path, data[self.names[0]])
            for name in self.names:
                shapes = _image_shapes(path, data[name])
                if {v: s[1:] for v, s in shapes.items()} != {v: s[1:] for v, s in first.items()}:
                    raise MismatchError(
                        f"{path}: {name} has images {shapes}, {self.names[0]} {first}; all "
                        "demonstrations need the same views and sizes."
                    )
                if len(lengths := {shape[0] for shape in shapes.values()}) > 1:
                    raise MismatchError(
                        f"{path}: the views of {name} have {sorted(lengths)} frames."
                    )
            self.lengths = [
                len(data[f"{name}/obs/{next(iter(first))}{_IMAGE}"]) for name in self.names
            ]
            stored = data.attrs.get(META_ATTRIBUTE)
            self._ours = stored is not None
            height, width = next(iter(first.values()))[1:3]
            self.frame_size = (height, width)
            self.meta = (
                _meta_of_others(path, data, list(first), height)
                if stored is None
                else DatasetMeta.from_json(stored, path)
            )
        self.splits = self._read_splits()

    def _read_splits(self) -> dict[str, list[int]] | None:
        masks = read_splits(self.root)
        splits = {
            split: [i for i, name in enumerate(self.names) if name in members]
            for split in SPLITS
            if (members := set(masks.get(split, ())))
        }
        return {split: splits.get(split, []) for split in SPLITS} if splits else None

    def episode(self, i: int) -> Episode:
        """Reads a demonstration, with those parts of an episode that it has."""
        phases = None if self._ours else np.zeros(self.lengths[i], np.uint8)
        with open_demonstrations(self.root) as file:
            episode = read_episode(file[f"data/{self.names[i]}"], self.views, self.views, phases)
        # The skeleton of keypoints in a file by others is unknown.
        return episode if self._ours else replace(episode, keypoints={}, visible={})


def write_robomimic(out: Path, meta: DatasetMeta, episodes: Iterable[tuple[str, Episode]]) -> None:
    """Writes episodes with all their parts into one file.

    Args:
        out: The file to write.
        meta: Facts that the episodes have in common.
        episodes: Pairs of split and episode, in the order of the splits.

    Raises:
        DataError: When an episode's arrays over time differ in length.
    """
    splits: dict[str, list[int]] = {split: [] for split in SPLITS}
    with h5py.File(out, "w") as file:
        data = file.create_group("data")
        total = 0
        for index, (split, episode) in enumerate(episodes):
            require_one_length(index, episode)
            write_episode(data.create_group(f"demo_{index}"), episode, meta.views)
            splits[split].append(index)
            total += len(episode)
        data.attrs["total"] = total
        data.attrs["env_args"] = json.dumps(meta.env_args)
        data.attrs[META_ATTRIBUTE] = meta.to_json()
        write_masks(file, splits)


def _image_shapes(path: Path, demo: h5py.Group) -> dict[str, tuple[int, ...]]:
    images = [name for name in demo.get("obs", ()) if name.endswith(_IMAGE)]
    if not images:
        raise MissingDataError(
            f"{path} has no images in {demo.name}/obs. Render them: "
            f"python -m sims.replay --demos {path} --views 4"
        )
    return {name.removesuffix(_IMAGE): demo["obs"][name].shape for name in images}


def _meta_of_others(path: Path, data: h5py.Group, views: list[str], height: int) -> DatasetMeta:
    try:
        env_args: dict[str, Any] = json.loads(data.attrs.get("env_args", "{}"))
    except json.JSONDecodeError as error:
        raise DamagedDataError(f"{path}: env_args is not valid JSON ({error}).") from None
    hz = env_args.get("env_kwargs", {}).get("control_freq") or USUAL_HZ
    meta = bare_meta(env_args.get("env_name") or path.stem, views, height, float(hz))
    return replace(meta, env_args=env_args)
