"""The index of a data set: one HDF5 file in robomimic's layout that links to the episodes."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from datasets.errors import FormatError, MissingDataError
from datasets.storage.atomic import atomic_path
from datasets.storage.checks import GENERATE_AGAIN, MAKE_MISSING, open_episode
from datasets.storage.inside import path_inside


def write_index(
    path: Path,
    episode_path: Callable[[int], Path],
    splits: Mapping[str, Sequence[int]],
    env_args: Mapping[str, Any],
) -> None:
    """Writes an index atomically; the same splits give the same bytes.

    Args:
        path: File of the index.
        episode_path: Returns the file of an episode, in or below the index's folder.
        splits: Episode indices of each split.
        env_args: Arguments from which robomimic makes the environment.

    Raises:
        ValueError: When an episode is in two splits.
        DataError: When an episode is missing or incomplete.
    """
    counts = Counter(index for members in splits.values() for index in members)
    if repeated := sorted(index for index, count in counts.items() if count > 1):
        raise ValueError(f"episodes {repeated} are in more than one split, or twice in one.")
    # The file is made in memory: on a full disk, HDF5 can neither finish nor close a file.
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        data = file.create_group("data")
        total = 0
        for index in sorted(counts):
            with open_episode(episode_path(index)) as episode:
                total += int(episode.attrs["num_samples"])
            relative = episode_path(index).relative_to(path.parent).as_posix()
            data[f"demo_{index}"] = h5py.ExternalLink(relative, "/")
        data.attrs["total"] = total
        data.attrs["env_args"] = json.dumps(env_args)
        write_masks(file, splits)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getvalue())


def write_masks(file: h5py.File, splits: Mapping[str, Sequence[int]]) -> None:
    """Writes robomimic's `mask/SPLIT`: names of the demonstrations of each split."""
    for split, members in splits.items():
        names = np.array([f"demo_{index}" for index in members], dtype="S")
        file.create_dataset(f"mask/{split}", data=names)


def demo_number(name: str) -> tuple[int, str]:
    """The sort key that puts names such as `demo_10` in the order of their numbers."""
    digits = re.search(r"\d+$", name)
    return (int(digits.group()) if digits else -1, name)


def read_index(path: Path, split: str | None) -> tuple[list[str], list[Path]]:
    """Reads the names and files of a split's episodes, in the order of their numbers.

    Args:
        path: File of the index.
        split: Name of a split, or None for all episodes.

    Raises:
        DataError: When the split or an episode's file does not exist, or when an entry is not a
            link into the index's folder.
    """
    with open_episode(path, attribute=None, links_in="data") as index:
        names = sorted(index["data"], key=demo_number)
        if split is not None:
            splits = list(index.get("mask", ()))
            if split not in splits:
                raise MissingDataError(f"{path} has no split {split!r}; it has {splits}.")
            members = {name.decode() for name in index[f"mask/{split}"][:]}
            if unknown := sorted(members - set(names), key=demo_number):
                raise FormatError(
                    f"{path}: the split {split!r} names {unknown}, which it does not hold. "
                    f"{GENERATE_AGAIN}"
                )
            names = [name for name in names if name in members]
        links = [index["data"].get(name, getlink=True) for name in names]
    paths = [_resolve(path, link) for link in links]
    if missing := [episode for episode in paths if not episode.is_file()]:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise MissingDataError(
            f"{path} names {missing[0]}{others}, which does not exist. {MAKE_MISSING}"
        )
    return names, paths


def read_splits(path: Path) -> dict[str, list[str]]:
    """Reads the names of the episodes of each split of an index."""
    with open_episode(path, attribute=None, links_in="data") as index:
        masks = index.get("mask", {}).items()
        return {split: [name.decode() for name in members[:]] for split, members in masks}


def _resolve(index: Path, link: h5py.ExternalLink | h5py.HardLink) -> Path:
    # An index from an untrusted source could name any file, so an entry must link into the index's
    # own folder.
    if not isinstance(link, h5py.ExternalLink):
        raise FormatError(
            f"{index} holds episodes inside itself, not links to episode files; "
            "generate the data set with `python -m sims.generate`."
        )
    return path_inside(index.parent, link.filename, index)
