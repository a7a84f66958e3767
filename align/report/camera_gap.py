"""Angles between the cameras of a test and the nearest cameras of training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from align.config import TrainConfig
from align.inputs.protocols import training_views
from align.results.runs import Run
from datasets.cameras import optical_axes
from datasets.episodes import EpisodeDataset
from datasets.storage.episode_file import EGO
from datasets.storage.meta import META_NAME, DatasetMeta


def camera_gaps(runs: Sequence[Run], tested: EpisodeDataset, views: Sequence[str]) -> list[str]:
    """`view_3 72°` for each unseen view, and for each training set where runs have several.

    Training sets that no longer exist are left out: a report needs only the test set.
    """
    unseen = [run.config for run in runs if run.evaluation.protocol == "unseen"]
    there = [config for config in unseen if (config.training_data / META_NAME).exists()]
    trainings = {_training(config): config for config in there}
    return [
        f"{view} {degrees:.0f}°" + (f" ({training})" if len(trainings) > 1 else "")
        for training, config in trainings.items()
        for view, degrees in degrees_from_training(config, tested, views).items()
    ]


def _training(config: TrainConfig) -> str:
    meta = DatasetMeta.load(config.training_data)
    return f"{len(training_views(config, meta))} views of {config.training_data}"


def degrees_from_training(
    config: TrainConfig, tested: EpisodeDataset, views: Sequence[str]
) -> dict[str, float]:
    """The angle between each third-person camera of a test and the nearest one of training.

    It is the angle between optical axes, to the nearest over all training episodes. The cameras of
    a rig look at one place, and the angle is how far apart they stand as seen from there.

    Args:
        config: The run's configuration.
        tested: The episodes of the test.
        views: The views that were tested.

    Returns:
        View to degrees, mean over the test's episodes; empty where episodes do not store cameras.

    Raises:
        DataError: When the data set that the run was trained on does not exist.
    """
    learned = EpisodeDataset(config.training_data, "train")
    seen = _axes(learned, [view for view in training_views(config, learned.meta) if view != EGO])
    shown = {view: _axes(tested, [view]) for view in views if view != EGO}
    if not len(seen) or not all(map(len, shown.values())):
        return {}
    return {view: float(_nearest_degrees(axes, seen).mean()) for view, axes in shown.items()}


def _axes(data: EpisodeDataset, views: Sequence[str]) -> Float[np.ndarray, "poses 3"]:
    poses = [data.world_to_camera(i, view) for i in range(len(data)) for view in views]
    return optical_axes(np.concatenate(poses)) if poses else np.empty((0, 3))


def _nearest_degrees(
    axes: Float[np.ndarray, "tested 3"], seen: Float[np.ndarray, "learned 3"]
) -> Float[np.ndarray, " tested"]:
    return np.degrees(np.arccos(np.clip(axes @ seen.T, -1, 1).max(axis=1)))
