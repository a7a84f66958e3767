"""Demonstrations in one HDF5 file, in robomimic's layout: `data/demo_0/obs/agentview_image`.

A file that this project writes holds all parts of its episodes, and robomimic's own tools train on
it; the attribute `posealign_meta` of `data` is the project's `meta.json`. In a file by others, the
views are the observations whose names end with `_image`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Any

import h5py
import numpy as np

from datasets.errors import FormatError, MismatchError, MissingDataError, shortened
from datasets.pictures import frames_shape, read_frames
from datasets.source import USUAL_HZ, Source, bare_meta
from datasets.storage.checks import open_episode
from datasets.storage.episode_file import SPLITS, Episode, read_episode, write_episode
from datasets.storage.index import demo_number, read_splits, require_disjoint, write_masks
from datasets.storage.inside import require_plain_name
from datasets.storage.meta import MOST_HZ, DatasetMeta, short_name
from datasets.storage.steady_file import SteadyFile

logger = logging.getLogger(__name__)

META_ATTRIBUTE = "posealign_meta"
_IMAGE = "_image"
_SHOWN = 5
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
                    f"{path} holds no demonstrations data/demo_0, data/demo_1, … but "
                    f"{shortened(sorted(file), _SHOWN) or 'nothing'}. Write other arrays by "
                    "datasets.write_episode, or name another file."
                )
            self.names = sorted(data, key=demo_number)
            _require_distinct(path, {name: data[name] for name in self.names}, "demonstrations")
            shapes = {name: _image_shapes(path, data[name]) for name in self.names}
            _require_alike(path, shapes)
            self.lengths = [next(iter(found.values()))[0] for found in shapes.values()]
            first = shapes[self.names[0]]
            self.frame_size = next(iter(first.values()))[1:]
            stored = data.attrs.get(META_ATTRIBUTE)
            self._ours = stored is not None
            self.meta = (
                _meta_of_others(path, data, list(first), self.frame_size[0])
                if stored is None
                else DatasetMeta.from_json(stored, path)
            )
        if missing := [view for view in self.views if view not in first]:
            raise MismatchError(f"{path} has no images of the views {missing}. {_COPY_AGAIN}")

    @cached_property
    def splits(self) -> dict[str, list[int]] | None:
        """Positions of the demonstrations of each split; names of absent ones are left out.

        Raises:
            MismatchError: When a demonstration is in two splits.
        """
        masks = {split: names for split, names in read_splits(self.root).items() if split in SPLITS}
        require_disjoint(masks, self.root, "Convert it with other splits, such as --split 10,5,5.")
        positions = {name: i for i, name in enumerate(self.names)}
        for split, names in masks.items():
            if absent := sorted(set(names) - positions.keys(), key=demo_number):
                logger.warning(
                    "%s: its mask %s names demonstrations that it does not hold, which are left "
                    "out: %s",
                    self.root,
                    split,
                    shortened(absent, _SHOWN),
                )
        splits = {
            split: sorted(positions[name] for name in masks.get(split, ()) if name in positions)
            for split in SPLITS
        }
        return splits if any(masks.values()) else None

    def episode(self, i: int) -> Episode:
        """Reads a demonstration, with those parts of an episode that it has."""
        phases = None if self._ours else np.zeros(self.lengths[i], np.uint8)

        def read(pictures: h5py.Dataset) -> np.ndarray:
            return read_frames(pictures, f"{self.root}: {pictures.name}")

        with open_demonstrations(self.root) as file:
            demo = file[f"data/{self.names[i]}"]
            episode = read_episode(demo, self.views, self.views, phases, read, self._ours)
        # The skeleton of keypoints in a file by others is unknown.
        return episode if self._ours else replace(episode, keypoints={}, visible={})


def write_robomimic(out: Path, meta: DatasetMeta, episodes: Iterable[tuple[str, Episode]]) -> None:
    """Writes episodes with all their parts into one file.

    Args:
        out: The file to write.
        meta: Facts that the episodes have in common.
        episodes: Pairs of split and episode, in the order of the splits.

    Raises:
        OSError: When the disk is full or cannot be written.
    """
    splits: dict[str, list[int]] = {split: [] for split in SPLITS}
    with SteadyFile(out) as disk:
        with h5py.File(disk, "w") as file:
            data = file.create_group("data")
            total = 0
            for index, (split, episode) in enumerate(episodes):
                write_episode(data.create_group(f"demo_{index}"), episode, meta.views)
                disk.require_written()
                splits[split].append(index)
                total += len(episode)
            data.attrs["total"] = total
            data.attrs["env_args"] = json.dumps(meta.env_args)
            data.attrs[META_ATTRIBUTE] = meta.to_json()
            write_masks(file, splits)
        disk.require_written()


def _image_shapes(path: Path, demo: h5py.Group) -> dict[str, tuple[int, int, int]]:
    """Number, height and width of the pictures of each view."""
    observations = demo.get("obs") if isinstance(demo, h5py.Group) else None
    if not isinstance(observations, h5py.Group):
        observations = {}
    images = {
        name.removesuffix(_IMAGE): value
        for name, value in observations.items()
        if name.endswith(_IMAGE) and isinstance(value, h5py.Dataset)
    }
    if not images:
        raise MissingDataError(_without_images(path, demo))
    _require_distinct(path, images, "views")
    return {view: frames_shape(value, f"{path}: {value.name}") for view, value in images.items()}


def _without_images(path: Path, demo: h5py.HLObject) -> str:
    """The message about a demonstration without images."""
    if not (isinstance(demo, h5py.Group) and {"states", "obs"} & demo.keys()):
        return f"{path}: {demo.name} is no demonstration. Remove it from the file."
    pictures: list[str] = []

    def see(name: str, found: object) -> None:
        if isinstance(found, h5py.Dataset) and found.ndim == 4 and found.dtype == np.uint8:
            pictures.append(name)

    demo.visititems(see)
    if not pictures:
        return (
            f"{path} has no images in {demo.name}/obs. Render them: "
            f"python -m sims.replay --demos {quote(str(path))} --views 4"
        )
    name = pictures[0].rpartition("/")[2].removesuffix("_rgb")
    return (
        f"{path} has no images in {demo.name}/obs whose names end with {_IMAGE}, but "
        f"{shortened(pictures, _SHOWN)}. Rename them in every demonstration, such as "
        f"demo.move({pictures[0]!r}, 'obs/{name}{_IMAGE}') by h5py."
    )


def _require_distinct(path: Path, objects: Mapping[str, h5py.HLObject], kind: str) -> None:
    """Checks that no two names lead to the same object of the file."""
    seen: dict[int, str] = {}
    for name, value in objects.items():
        other = seen.setdefault(h5py.h5o.get_info(value.id).addr, name)
        if other != name:
            raise MismatchError(
                f"{path}: the {kind} {other} and {name} are one, by a link. Remove one of them."
            )


def _require_alike(path: Path, shapes: Mapping[str, Mapping[str, tuple[int, int, int]]]) -> None:
    first_name, first = next(iter(shapes.items()))
    for name, found in shapes.items():
        if {v: s[1:] for v, s in found.items()} != {v: s[1:] for v, s in first.items()}:
            raise MismatchError(
                f"{path}: {name} has images {found}, {first_name} {first}; all "
                "demonstrations need the same views and sizes."
            )
        if len(lengths := {shape[0] for shape in found.values()}) > 1:
            raise MismatchError(f"{path}: the views of {name} have {sorted(lengths)} frames.")


def _meta_of_others(path: Path, data: h5py.Group, views: list[str], height: int) -> DatasetMeta:
    try:
        env_args: Any = json.loads(data.attrs.get("env_args", "{}"))
        kwargs = env_args.get("env_kwargs") or {}
        name, hz = env_args.get("env_name") or path.stem, kwargs.get("control_freq") or USUAL_HZ
        hz = float(hz)
    except (json.JSONDecodeError, AttributeError, TypeError, ValueError) as error:
        raise FormatError(f"{path}: env_args is not robomimic's JSON ({error}).") from None
    if not isinstance(name, str) or not 0 < hz <= MOST_HZ:
        raise FormatError(
            f"{path}: env_args has the name {name!r} and the control_freq {hz}. Correct them."
        )
    require_plain_name(short_name(name), path)
    for view in views:
        require_plain_name(view, path)
    return replace(bare_meta(name, views, height, hz), env_args=env_args)
