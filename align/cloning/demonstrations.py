"""Training episodes in robomimic's format, with what a policy observes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from align.cloning.observers import Observer, require_demonstrated
from datasets.episodes import EpisodeDataset
from datasets.storage.atomic import atomic_path

TRAIN = "train"


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
        for number, (i, view) in enumerate(tqdm(pairs, desc="demonstrations", unit="demo")):
            total += _write(file.create_group(f"data/demo_{number}"), data, i, view, observer)
        file["data"].attrs["total"] = total
        file["data"].attrs["env_args"] = json.dumps(data.meta.env_args)
        names = [f"demo_{number}" for number in range(len(pairs))]
        file["mask/train"] = np.array(names, dtype="S")


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
