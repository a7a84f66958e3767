"""The index of a data set: one HDF5 file in robomimic's layout that links to the episodes."""

from __future__ import annotations

import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from datasets.errors import FormatError, MismatchError, MissingDataError
from datasets.storage.arrays import read_array
from datasets.storage.atomic import atomic_path
from datasets.storage.checks import MAKE_MISSING, WRITE_INDEX_AGAIN, open_episode
from datasets.storage.episode_file import SPLITS, whole_number
from datasets.storage.inside import path_inside
from datasets.storage.seal import read_seal


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
                total += whole_number(episode, "num_samples")
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


def _open_index(path: Path, remedy: str = WRITE_INDEX_AGAIN) -> AbstractContextManager[h5py.File]:
    return open_episode(path, attribute=None, links_in="data", remedy=remedy)


def read_index(path: Path, split: str | None) -> tuple[list[str], list[Path]]:
    """Reads the names and files of a split's episodes, in the order of their numbers.

    Args:
        path: File of the index.
        split: Name of a split, or None for all episodes.

    Raises:
        DataError: When the split or an episode's file does not exist, when an entry is not a link
            into the index's folder, or when an episode occurs twice.
    """
    links = _links(path)
    _require_distinct(path, links)
    names = list(links) if split is None else _members(path, split, list(links))
    paths = [_resolve(path, links[name]) for name in names]
    if missing := [episode for episode in paths if not episode.is_file()]:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise MissingDataError(
            f"{path} names {missing[0]}{others}, which does not exist. {MAKE_MISSING}"
        )
    return names, paths


def _links(path: Path) -> dict[str, h5py.ExternalLink | h5py.HardLink]:
    with _open_index(path) as index:
        data = index["data"]
        if not isinstance(data, h5py.Group):
            raise FormatError(f"{path}: data must be a group of episodes. {WRITE_INDEX_AGAIN}")
        names = sorted(data, key=demo_number)
        return {name: data.get(name, getlink=True) for name in names}


def _members(path: Path, split: str, names: Sequence[str]) -> list[str]:
    splits = read_splits(path)
    if split not in splits:
        raise MissingDataError(f"{path} has no split {split!r}; it has {list(splits)}.")
    require_disjoint(splits, path, WRITE_INDEX_AGAIN)
    members = set(splits[split])
    if unknown := sorted(members - set(names), key=demo_number):
        raise MismatchError(
            f"{path}: the split {split!r} names {unknown}, which it does not hold. "
            f"{WRITE_INDEX_AGAIN}"
        )
    return [name for name in names if name in members]


def _require_distinct(path: Path, links: Mapping[str, h5py.ExternalLink | h5py.HardLink]) -> None:
    """Checks that no two entries of an index lead to the same file, by name or by link."""
    seen: dict[tuple[int, int], str] = {}
    for name, link in links.items():
        if not isinstance(link, h5py.ExternalLink):
            continue  # this and a missing file are errors when the episode is opened
        try:
            status = os.stat(path.parent / link.filename)
        except (OSError, ValueError):
            continue
        other = seen.setdefault((status.st_dev, status.st_ino), name)
        if other != name:
            raise MismatchError(
                f"{path}: {other} and {name} are the same file, {link.filename}. "
                f"{WRITE_INDEX_AGAIN}"
            )


def read_splits(path: Path, remedy: str = WRITE_INDEX_AGAIN) -> dict[str, list[str]]:
    """Reads the names of the episodes of each split of an index.

    Args:
        path: File of the index.
        remedy: What mends its masks, for messages.

    Raises:
        DataError: When the file cannot be read, or a mask does not hold names.
    """
    with _open_index(path, remedy) as index:
        group = index.get("mask", {})
        if isinstance(group, h5py.Dataset):
            raise FormatError(f"{path}: mask must be a group of splits. {remedy}")
        masks = {split: read_array(index, f"mask/{split}") for split in group}
    for split, names in masks.items():
        if names.ndim != 1 or not all(isinstance(name, bytes) for name in names.tolist()):
            raise FormatError(f"{path}: its mask {split} is no list of names. {remedy}")
    return {
        split: [name.decode(errors="replace") for name in names.tolist()]
        for split, names in masks.items()
    }


def require_disjoint(splits: Mapping[str, Sequence[object]], path: Path, remedy: str) -> None:
    """Checks that no episode is in two of `train`, `valid` and `test`, or twice in one.

    Raises:
        MismatchError: At the first such episode; names it.
    """
    seen: dict[object, str] = {}
    for split in SPLITS:
        for member in splits.get(split, ()):
            if member in seen:
                raise MismatchError(
                    f"{path}: the splits {seen[member]} and {split} both have {member}. {remedy}"
                )
            seen[member] = split


def find_repeated(path: Path) -> dict[str, str]:
    """Names of the episodes whose content an episode of another split has too, with the fault.

    Contents are compared by their seals, so files without a seal are not compared.
    """
    splits = read_splits(path)
    split_of = {name: split for split in SPLITS for name in splits.get(split, ())}
    first: dict[str, str] = {}
    found = {}
    for name, link in _links(path).items():
        if name not in split_of or not isinstance(link, h5py.ExternalLink):
            continue
        try:
            digest = read_seal(path.parent / link.filename)
        except (OSError, ValueError):
            continue  # an error when the split of this episode is opened
        if digest is None:
            continue
        other = first.setdefault(digest, name)
        if split_of[other] != split_of[name]:
            found[name] = (
                f"{name} ({split_of[name]}) has the same content as {other} "
                f"({split_of[other]}), so it would measure what was learned by heart. Leave one "
                "of them out of the source, and make the data set again."
            )
    return found


def _resolve(index: Path, link: h5py.ExternalLink | h5py.HardLink) -> Path:
    # An index from an untrusted source could name any file, so an entry must link into the index's
    # own folder.
    if not isinstance(link, h5py.ExternalLink):
        raise FormatError(
            f"{index} holds episodes inside itself, not links to episode files; "
            "generate the data set with `python -m sims.generate`."
        )
    return path_inside(index.parent, link.filename, index)
