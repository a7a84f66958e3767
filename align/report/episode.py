"""The episode that a report shows in detail, and the frames that each method picks in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int64, UInt8

from align.metrics.alignment import distances
from align.metrics.decoding import with_motion
from align.results.runs import Run
from align.results.statistics import lower_median
from datasets.draw import draw_skeleton
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError
from datasets.storage.episode_file import EGO


@dataclass(frozen=True)
class Example:
    """One episode: for each frame of the query view, the frame of the target view that is picked.

    Attributes:
        episode: Its name in the data set.
        query: The view whose frames are matched, a third-person one.
        target: The view that frames are picked from, the first-person one.
        frames: View to frames, for these two views.
        distances: Label to distances of the embeddings, query times by target times.
        distances_in_motion: The same for embeddings in motion.
        runs: Label to the run that made the embeddings.
        phases: Index into `phase_names` of each time step.
        phase_names: Names of the data set's phases.
        control_hz: Time steps per second.
    """

    episode: str
    query: str
    target: str
    frames: Mapping[str, UInt8[np.ndarray, "time height width 3"]]
    distances: Mapping[str, Float[np.ndarray, "time time"]]
    distances_in_motion: Mapping[str, Float[np.ndarray, "time time"]]
    runs: Mapping[str, Run]
    phases: UInt8[np.ndarray, " time"]
    phase_names: Sequence[str]
    control_hz: float

    def __len__(self) -> int:
        """Number of time steps."""
        return len(self.phases)

    def in_motion(self) -> Example:
        """The same episode, with frames picked by embeddings in motion."""
        return replace(self, distances=self.distances_in_motion)

    def picks(self, method: str) -> Int64[np.ndarray, " time"]:
        """The target's time step nearest to each of the query; the first of equally near ones."""
        return self.distances[method].argmin(axis=1)

    def error(self, method: str) -> float:
        """Alignment error from the query to the target view in this episode."""
        return float(np.abs(self.picks(method) - np.arange(len(self))).mean() / len(self))


def typical_runs(runs: Sequence[Run]) -> dict[str, Run]:
    """For each label the run with the median alignment error over seeds; the lower one of two."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.label, []).append(run)
    return {
        label: lower_median(group, key=lambda run: run.evaluation.metrics["alignment_error"])
        for label, group in groups.items()
    }


def load_example(
    runs: Sequence[Run],
    data: EpisodeDataset,
    episode: str | None = None,
    view: str | None = None,
    skeleton: bool = False,
) -> Example:
    """Reads the frames and the embeddings of one episode.

    Args:
        runs: Runs that were evaluated on the split of `data`.
        data: The data set that the runs were evaluated on.
        episode: Name of the episode, by default the first one of the split.
        view: The third-person view, by default the first one.
        skeleton: Whether to draw the skeleton on the frames.

    Raises:
        DataError: When there is no such episode or view, or the data set has changed since.
    """
    stored = {
        label: (run, run.evaluation.embeddings()) for label, run in typical_runs(runs).items()
    }
    episode = data.names[0] if episode is None else episode
    if episode not in data.names:
        raise DataError(
            f"{data.index_path} has no episode {episode!r} in its split {data.split}; --episode "
            f"takes one of {data.names}."
        )
    if any(episode not in embeddings for _, embeddings in stored.values()):
        raise DataError(
            f"{episode} was not measured: {data.index_path} changed since. Measure the runs again "
            f"with `python -m align.evaluate --split {data.split}`."
        )
    i = data.names.index(episode)
    measured = list(next(iter(stored.values()))[1][episode])
    query, target = _choose_views([v for v in data.views if v in measured], view)
    matrices, in_motion = {}, {}
    for label, (run, embeddings) in stored.items():
        z1, z2 = (embeddings[episode][v] for v in (query, target))
        if len(z1) != data.lengths[i]:
            raise DataError(
                f"{run.evaluation.path} is of {len(z1)} frames of {episode}, but {data.paths[i]} "
                f"has {data.lengths[i]}: the data set changed since. Measure the run again with "
                f"`python -m align.evaluate {run.folder} --split {data.split}`."
            )
        matrices[label] = distances(z1, z2).numpy()
        in_motion[label] = distances(with_motion(z1), with_motion(z2)).numpy()
    return Example(
        episode,
        query,
        target,
        {v: _frames(data, i, v, skeleton) for v in (query, target)},
        matrices,
        in_motion,
        {label: run for label, (run, _) in stored.items()},
        data.phases(i),
        data.meta.phases,
        data.meta.control_hz,
    )


def _choose_views(views: Sequence[str], query: str | None) -> tuple[str, str]:
    target = EGO if EGO in views else views[-1]
    others = [view for view in views if view != target]
    if query is None:
        return others[0], target
    if query not in others:
        raise DataError(
            f"no view {query!r} to compare with {target}; --view takes one of {others}."
        )
    return query, target


def _frames(
    data: EpisodeDataset, i: int, view: str, skeleton: bool
) -> UInt8[np.ndarray, "time height width 3"]:
    frames = data.images(i, view)
    if not skeleton:
        return frames
    if not data.has_keypoints(i):
        raise DataError(f"{data.paths[i]} has no keypoints: leave out --skeleton.")
    return np.stack(
        [
            draw_skeleton(frame, points, visible, data.skeleton)
            for frame, points, visible in zip(
                frames, data.keypoints(i, view), data.visible(i, view), strict=True
            )
        ]
    )
