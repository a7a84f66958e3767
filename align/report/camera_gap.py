"""How far the cameras of a test stand from those that training saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from align.config import TrainConfig
from align.protocols import training_views
from align.results.runs import Run
from datasets.cameras import optical_axes
from datasets.episodes import EpisodeDataset
from datasets.storage.episode_file import EGO
from datasets.storage.meta import META_NAME, DatasetMeta


def camera_gaps(runs: Sequence[Run], tested: EpisodeDataset, views: Sequence[str]) -> list[str]:
    """`view_3 72°` for each unseen view, and for each training where runs differ in that.

    Of a data set that has gone since training nothing is said: a report needs that of the test
    alone.
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

    It is the angle between their optical axes, of all training episodes: the cameras of a rig look
    at one place, seen from which they stand that far apart.

    Args:
        config: Of the run.
        tested: The episodes of the test.
        views: That were tested.

    Returns:
        View to degrees, on average over the test's episodes; no views where episodes do not tell
        of their cameras.

    Raises:
        DataError: When the data set that the run learned from is not there.
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
