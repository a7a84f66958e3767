"""Training episodes in robomimic's format, with what a policy observes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float

from align.cloning.observers import Observation, Observer, require_demonstrated
from datasets.episodes import EpisodeDataset
from datasets.errors import DamagedDataError, MismatchError
from datasets.progress import ProgressBar
from datasets.storage.atomic import atomic_path

TRAIN = "train"
# Embeddings of one network differ by less between devices and precisions, as a share of their mean
# size. Those of another network differ by about their size.
_ROUNDING = 0.05


def write_demonstrations(
    path: Path,
    data: EpisodeDataset,
    observer: Observer,
    views: Sequence[str],
) -> None:
    """Writes one demonstration for each episode and view, whole or not at all.

    Args:
        path: The HDF5 file, see https://robomimic.github.io/docs/datasets/overview.html.
        data: The episodes to learn from.
        observer: Makes the observations.
        views: The views whose frames are observed.

    Raises:
        MissingDataError: When an episode has no actions or lacks an observation.
        DamagedDataError: When they are not one for each time step, or no finite numbers.
        UnknownNameError: When the data set has no such view.
    """
    pairs = [(i, view) for i in range(len(data)) for view in views]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        total = 0
        for number, (i, view) in enumerate(ProgressBar(pairs, desc="demonstrations", unit="demo")):
            total += _write(file.create_group(f"data/demo_{number}"), data, i, view, observer)
        file["data"].attrs["total"] = total
        file["data"].attrs["env_args"] = json.dumps(data.meta.env_args)
        names = [f"demo_{number}" for number in range(len(pairs))]
        file["mask/train"] = np.array(names, dtype="S")


def require_same_observations(path: Path, observed: Observation) -> None:
    """Checks that the first demonstration of a file holds what an observer makes of it now.

    Args:
        path: A file that `write_demonstrations` wrote.
        observed: The observations of its first episode and view.

    Raises:
        DamagedDataError: When the file cannot be read.
        MismatchError: When it holds others, as after a run was trained again in its folder.
    """
    try:
        with h5py.File(path) as file:
            stored = {name: values[()] for name, values in file["data/demo_0/obs"].items()}
    except (OSError, KeyError) as error:
        raise DamagedDataError(
            f"{path} cannot be read ({error}). Delete it, and clone again."
        ) from None
    if not all(name in stored and _agree(stored[name], observed[name]) for name in observed):
        raise MismatchError(
            f"{path} holds other observations than {path.parent.name} gives now: the run was "
            f"trained again. Delete {path.parent}, or choose another --out."
        )


def _agree(stored: np.ndarray, now: np.ndarray) -> bool:
    """Equal but for what another device or precision changes."""
    if stored.shape != now.shape:
        return False
    stored, now = stored.astype(np.float64), now.astype(np.float64)
    return bool(np.abs(stored - now).mean() <= _ROUNDING * np.abs(stored).mean())


def recorded_actions(data: EpisodeDataset, i: int) -> Float[np.ndarray, "time action"]:
    """The actions of an episode.

    Raises:
        MissingDataError: When there are none.
        DamagedDataError: When they are not one for each time step, or no finite numbers.
    """
    return require_demonstrated(data.actions(i), data, i, "actions")


def _write(group: h5py.Group, data: EpisodeDataset, i: int, view: str, observer: Observer) -> int:
    """Writes a demonstration, and returns its number of time steps."""
    actions = recorded_actions(data, i)
    for name, values in observer.of_episode(data, i, view).items():
        stored = values if values.dtype == np.uint8 else values.astype(np.float32)
        group[f"obs/{name}"] = stored
    group["actions"] = actions
    # robomimic reads both, though cloning uses neither.
    group["rewards"], group["dones"] = np.zeros(len(actions)), np.zeros(len(actions), np.int64)
    group.attrs["num_samples"] = len(actions)
    return len(actions)
