"""The episode that a report shows in detail, and the frames that each method picks in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from shlex import quote

import numpy as np
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from align.metrics.alignment import distances, nearest_frames
from align.metrics.decoding import with_motion
from align.results.runs import Run
from align.results.statistics import lower_median
from datasets.draw import draw_skeleton
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError, MissingDataError, OptionError
from datasets.storage.checks import check_episode
from datasets.storage.episode_file import EGO

# Time steps of an episode that are drawn at most: as many as a picture of this width has room for.
DRAWN = 400


@dataclass(frozen=True)
class Matches:
    """The frames that one method picks in the target view.

    Attributes:
        distances: Distances of embeddings, drawn steps of the query by drawn steps of the target.
        picks: For each drawn step of the query, the target's nearest step of all; the first of
            equally near ones.
        error: Alignment error from the query to the target view over all steps of the episode.
    """

    distances: Float[np.ndarray, "drawn drawn"]
    picks: Int64[np.ndarray, " drawn"]
    error: float

    @classmethod
    def between(
        cls,
        query: Float[Tensor, "time dim"],
        target: Float[Tensor, "time dim"],
        times: Int64[np.ndarray, " drawn"],
    ) -> Matches:
        """The matches of embeddings, drawn at `times`."""
        picks = nearest_frames(query, target)[0].numpy()
        error = float(np.abs(picks - np.arange(len(picks))).mean() / len(picks))
        return cls(distances(query[times], target[times]).numpy(), picks[times], error)


@dataclass(frozen=True)
class Example:
    """One episode: for each frame of the query view, the frame of the target view that is picked.

    Attributes:
        episode: Its name in the data set.
        query: The view whose frames are matched, a third-person one.
        target: The view that frames are picked from, the first-person one.
        times: The time steps that are drawn: all, or DRAWN evenly spread ones.
        frames: View to time step to frame, for these two views: the drawn steps and what is picked.
        matches: Label to the matches of a method.
        matches_in_motion: The same for embeddings in motion.
        runs: Label to the run that made the embeddings.
        phases: Index into `phase_names` of each time step.
        phase_names: Names of the data set's phases.
        control_hz: Time steps per second.
    """

    episode: str
    query: str
    target: str
    times: Int64[np.ndarray, " drawn"]
    frames: Mapping[str, Mapping[int, UInt8[np.ndarray, "height width 3"]]]
    matches: Mapping[str, Matches]
    matches_in_motion: Mapping[str, Matches]
    runs: Mapping[str, Run]
    phases: UInt8[np.ndarray, " time"]
    phase_names: Sequence[str]
    control_hz: float

    def __len__(self) -> int:
        """Number of time steps."""
        return len(self.phases)

    def in_motion(self) -> Example:
        """The same episode, with frames picked by embeddings in motion."""
        return replace(self, matches=self.matches_in_motion)


def drawn_times(length: int) -> Int64[np.ndarray, " drawn"]:
    """The time steps to draw of an episode: all, or DRAWN evenly spread ones, the last included."""
    return np.linspace(0, length - 1, min(length, DRAWN)).round().astype(np.int64)


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
        OptionError: When there is no such episode or view.
        DataError: When the data set has changed since.
    """
    stored = {
        label: (run, run.evaluation.embeddings()) for label, run in typical_runs(runs).items()
    }
    episode = data.names[0] if episode is None else episode
    if episode not in data.names:
        raise OptionError(
            f"{data.index_path} has no episode {episode!r} in its split {data.split}; --episode "
            f"takes one of {data.names}."
        )
    if any(episode not in embeddings for _, embeddings in stored.values()):
        raise MismatchError(
            f"{episode} was not measured: {data.index_path} changed since. Measure the runs again "
            f"with `python -m align.evaluate --split {data.split}`."
        )
    i = data.names.index(episode)
    check_episode(data.paths[i], data.meta, data.views, need_keypoints=False)
    measured = list(next(iter(stored.values()))[1][episode])
    query, target = _choose_views([v for v in data.views if v in measured], view)
    times = drawn_times(data.lengths[i])
    matches, in_motion = {}, {}
    for label, (run, embeddings) in stored.items():
        z1, z2 = (embeddings[episode][v] for v in (query, target))
        if len(z1) != data.lengths[i]:
            raise MismatchError(
                f"{run.evaluation.path} is of {len(z1)} frames of {episode}, but {data.paths[i]} "
                f"has {data.lengths[i]}: the data set changed since. Measure the run again with "
                f"`python -m align.evaluate {quote(str(run.folder))} --split {data.split}`."
            )
        matches[label] = Matches.between(z1, z2, times)
        in_motion[label] = Matches.between(with_motion(z1), with_motion(z2), times)
    picked = [m.picks for m in matches.values()]
    shown = {query: times, target: np.unique(np.concatenate([times, *picked]))}
    return Example(
        episode,
        query,
        target,
        times,
        {v: _frames(data, i, v, some, skeleton) for v, some in shown.items()},
        matches,
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
        raise OptionError(
            f"no view {query!r} to compare with {target}; --view takes one of {others}."
        )
    return query, target


def _frames(
    data: EpisodeDataset, i: int, view: str, times: Int64[np.ndarray, " some"], skeleton: bool
) -> dict[int, UInt8[np.ndarray, "height width 3"]]:
    frames = list(data.images(i, view, times))
    if skeleton:
        if not data.has_keypoints(i):
            raise MissingDataError(f"{data.paths[i]} has no keypoints: leave out --skeleton.")
        points, visible = data.keypoints(i, view)[times], data.visible(i, view)[times]
        frames = [
            draw_skeleton(frame, points[k], visible[k], data.skeleton)
            for k, frame in enumerate(frames)
        ]
    return dict(zip(times.tolist(), frames, strict=True))
