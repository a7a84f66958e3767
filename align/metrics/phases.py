"""Metrics of a task's phases in frame embeddings, within a view and from one view to another.

Three measures of TCC, GTA and AE2, all on frozen embeddings of single frames:

- classification: a support vector machine learns the phases on labelled episodes, F1 on the test
  episodes, each phase weighted by its frames; few-shot with a share of the labelled episodes;
- progression: linear regression of the time since each phase began, as a share of the episode,
  R² as the mean over phases;
- retrieval: of the K frames nearest to a frame in *other* test episodes, the share of its phase.

Each is measured for every ordered pair of views: labels and gallery are from the first view, test
frames and queries from the second. "Within a view" both are the same, "across views" they differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from sklearn.linear_model import RidgeCV
from sklearn.metrics import f1_score, r2_score
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.svm import SVC
from torch import Tensor

FEW_SHOT = {"phase_f1_50": 0.5, "phase_f1_10": 0.1}
FEW_SHOT_DRAWS = 3
RETRIEVED = (5, 10, 15)
PHASE_METRICS = ("phase_f1", *FEW_SHOT, "phase_r2", *(f"ap{k}" for k in RETRIEVED))
# Strengths of regularisation to choose from, for embeddings scaled to variance one.
_RIDGE = np.logspace(-1, 4, 6)
# Queries at a time, and distances held at once between them and the gallery.
_QUERIES, _CELLS = 2048, 2**21
# Labelled frames of a view that classification and regression learn from at most. The kernel of a
# support vector machine grows with their square: this many take 0.13 GB and some seconds.
LABELLED_FRAMES = 4000

Frames = Float[np.ndarray, "frames dim"]
Labels = Int64[np.ndarray, " frames"]


@dataclass(frozen=True)
class PhaseEpisode:
    """One episode's embeddings, view to (time, dim), and the phase of each time step."""

    embeddings: Mapping[str, Float[Tensor, "time dim"]]
    phases: Int64[np.ndarray, " time"]


@dataclass(frozen=True)
class PhaseResult:
    """PHASE_METRICS from one view to another, or within one; NaN where one is not defined."""

    learned_view: str
    asked_view: str
    metrics: Mapping[str, float]


def phase_metrics(
    labelled: Sequence[PhaseEpisode], test: Sequence[PhaseEpisode], rng: np.random.Generator
) -> list[PhaseResult]:
    """PHASE_METRICS of every ordered pair of views.

    Args:
        labelled: Episodes that classification and regression learn from: all their frames, or every
            n-th where a view has over LABELLED_FRAMES.
        test: Episodes that all three measures are taken on; with one alone there is no retrieval.
        rng: Draws the labelled episodes of the few-shot measures, alike for all views.
    """
    views = list(test[0].embeddings)
    few_shot = _few_shot_draws(len(labelled), rng)
    events = key_events([episode.phases for episode in (*labelled, *test)])
    asked = {view: _Stacked.of(test, view, events) for view in views}
    results = []
    for view in views:
        learned = _Stacked.of(labelled, view, events).thinned(LABELLED_FRAMES)
        found = {
            **classification_f1(learned, asked, few_shot),
            "phase_r2": progression_r2(learned, asked),
        }
        for other in views:
            metrics = {name: scores[other] for name, scores in found.items()}
            metrics |= retrieval_precision(asked[view], asked[other])
            results.append(
                PhaseResult(view, other, {name: metrics[name] for name in PHASE_METRICS})
            )
    return results


def mean_phase_metrics(results: Sequence[PhaseResult]) -> dict[str, float]:
    """Means within views, under the metrics' own names, and across views, as `across_<name>`."""
    means: dict[str, float] = {}
    for prefix, within in (("", True), ("across_", False)):
        chosen = [r.metrics for r in results if (r.learned_view == r.asked_view) == within]
        for name in PHASE_METRICS if chosen else ():
            known = [metrics[name] for metrics in chosen if not math.isnan(metrics[name])]
            means[prefix + name] = sum(known) / len(known) if known else math.nan
    return means


@dataclass(frozen=True)
class _Stacked:
    """The frames of several episodes in one view, one below the other."""

    frames: Frames
    phases: Labels
    episodes: Labels
    progress: Float[np.ndarray, "frames events"]

    @classmethod
    def of(cls, episodes: Sequence[PhaseEpisode], view: str, events: Sequence[int]) -> _Stacked:
        lengths = [len(episode.phases) for episode in episodes]
        return cls(
            np.concatenate([episode.embeddings[view].double().numpy() for episode in episodes]),
            np.concatenate([episode.phases for episode in episodes]).astype(np.int64),
            np.repeat(np.arange(len(episodes)), lengths),
            np.concatenate([progression(episode.phases, events) for episode in episodes]),
        )

    def thinned(self, most: int) -> _Stacked:
        """Every n-th frame, so that at most this many are left."""
        every = slice(None, None, -(-len(self.phases) // most))
        return _Stacked(
            self.frames[every], self.phases[every], self.episodes[every], self.progress[every]
        )


def _few_shot_draws(episodes: int, rng: np.random.Generator) -> dict[str, list[Labels]]:
    """For each few-shot measure several sets of labelled episodes, of at least one each."""
    return {
        name: [
            rng.permutation(episodes)[: max(1, round(share * episodes))]
            for _ in range(FEW_SHOT_DRAWS)
        ]
        for name, share in FEW_SHOT.items()
    }


def classification_f1(
    learned: _Stacked,
    asked: Mapping[str, _Stacked],
    few_shot: Mapping[str, Sequence[Labels]],
) -> dict[str, dict[str, float]]:
    """Weighted F1 of a support vector machine (RBF kernel, C = 1) on the frames of each view.

    Args:
        learned: All labelled frames.
        asked: View to test frames.
        few_shot: For each few-shot measure by name, the labelled episodes of each of its draws.

    Returns:
        For each view, `phase_f1` with all labels, and each few-shot measure as the mean over its
        draws.
    """
    # The kernel is computed once, by matrix products, which is several times faster than libsvm.
    gamma = 1 / (learned.frames.shape[1] * max(float(learned.frames.var()), 1e-12))
    inner = rbf_kernel(learned.frames, gamma=gamma)
    draws = [
        (name, np.flatnonzero(np.isin(learned.episodes, episodes)))
        for name, some in {"phase_f1": [np.unique(learned.episodes)], **few_shot}.items()
        for episodes in some
    ]
    machines = [_machine(inner, learned.phases, chosen) for _, chosen in draws]
    frames = np.concatenate([a.frames for a in asked.values()])
    predicted = np.empty((len(draws), len(frames)), learned.phases.dtype)
    for start in range(0, len(frames), rows := max(1, _CELLS // len(inner))):
        outer = rbf_kernel(frames[start : start + rows], learned.frames, gamma)
        for row, (_, chosen), machine in zip(predicted, draws, machines, strict=True):
            row[start : start + rows] = machine(outer[:, chosen])
    ends = np.cumsum([len(a.phases) for a in asked.values()])[:-1]
    scores: dict[str, list[list[float]]] = {}
    for (name, _), row in zip(draws, predicted, strict=True):
        scores.setdefault(name, []).append(
            [
                f1_score(a.phases, p, average="weighted", zero_division=0.0)
                for a, p in zip(asked.values(), np.split(row, ends), strict=True)
            ]
        )
    return {
        name: dict(zip(asked, np.mean(values, axis=0).tolist(), strict=True))
        for name, values in scores.items()
    }


def _machine(
    inner: Float[np.ndarray, "labelled labelled"], phases: Labels, chosen: Labels
) -> Callable[[Float[np.ndarray, "asked chosen"]], Labels]:
    """A classifier of frames by their kernel with the chosen ones of the labelled frames."""
    if len(np.unique(phases[chosen])) == 1:  # SVC needs two classes
        return lambda outer: np.full(len(outer), phases[chosen[0]])
    return SVC(kernel="precomputed").fit(inner[np.ix_(chosen, chosen)], phases[chosen]).predict


def key_events(phases: Sequence[Int64[np.ndarray, " time"]]) -> list[int]:
    """The phases that begin in every one of these episodes, after its first frame."""
    beginning = [set(np.unique(p).tolist()) - {int(p[0])} for p in phases]
    return sorted(set.intersection(*beginning))


def progression(
    phases: Int64[np.ndarray, " time"], events: Sequence[int]
) -> Float[np.ndarray, "time events"]:
    """Time since each of these phases began, as a share of the episode; negative before (TCC)."""
    time = np.arange(len(phases))
    starts = np.array([np.argmax(phases == event) for event in events], dtype=np.float64)
    return (time[:, None] - starts[None, :]) / len(phases)


def progression_r2(learned: _Stacked, asked: Mapping[str, _Stacked]) -> dict[str, float]:
    """R² of linear regression of the progress, mean over events; NaN where no event is common.

    The plain regression of the literature diverges when there are few frames for the dimensions, or
    when the test is on another view. So it is regularised (ridge), with the strength chosen by
    leaving labelled episodes out.
    """
    if not learned.progress.shape[1]:
        return dict.fromkeys(asked, math.nan)
    scale = max(float(learned.frames.std()), 1e-12)
    splits = None
    if len(np.unique(learned.episodes)) > 1:
        splits = list(LeaveOneGroupOut().split(learned.frames, groups=learned.episodes))
    model = RidgeCV(_RIDGE, cv=splits).fit(learned.frames / scale, learned.progress)
    return {
        view: float(r2_score(frames.progress, model.predict(frames.frames / scale)))
        for view, frames in asked.items()
    }


def retrieval_precision(gallery: _Stacked, queries: _Stacked) -> dict[str, float]:
    """AP@K: share of the K nearest frames of other episodes that have the query's phase.

    NaN where the other episodes have fewer than K frames for a query.
    """
    of_others = len(gallery.episodes) - np.bincount(gallery.episodes).max()
    feasible = [k for k in RETRIEVED if k <= of_others]
    precision = {f"ap{k}": math.nan for k in RETRIEVED}
    if not feasible:
        return precision
    searched = torch.from_numpy(gallery.frames)
    hits = []
    many = max(1, min(_QUERIES, _CELLS // len(gallery.frames)))
    for start in range(0, len(queries.frames), many):
        part = slice(start, start + many)
        distance = torch.cdist(torch.from_numpy(queries.frames[part]), searched)
        own = queries.episodes[part, None] == gallery.episodes[None, :]
        distance.masked_fill_(torch.from_numpy(own), torch.inf)
        nearest = distance.topk(feasible[-1], largest=False).indices.numpy()
        hits.append(gallery.phases[nearest] == queries.phases[part, None])
    hit = np.concatenate(hits)
    return precision | {f"ap{k}": float(hit[:, :k].mean()) for k in feasible}
