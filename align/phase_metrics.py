"""What frame embeddings tell of a task's phases, within a view and from one view to another.

Three measures of TCC, GTA and AE2, all on frozen embeddings of single frames:

- classification: a support vector machine learns the phases on labelled episodes, F1 on the test
  episodes, each phase weighted by its frames; few-shot with a share of the labelled episodes;
- progression: linear regression of the time since each phase began, as a share of the episode,
  R² as the mean over phases;
- retrieval: of the K frames nearest to a frame in *other* test episodes, the share of its phase.

Each is measured for every ordered pair of views: what is learned from or searched is of the first,
what is asked is of the second. The same view twice is "within a view", two views "across views".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression
from sklearn.metrics import f1_score, r2_score
from sklearn.svm import SVC
from torch import Tensor

FEW_SHOT = {"phase_f1_50": 0.5, "phase_f1_10": 0.1}
FEW_SHOT_DRAWS = 3
RETRIEVED = (5, 10, 15)
PHASE_METRICS = ("phase_f1", *FEW_SHOT, "phase_r2", *(f"ap{k}" for k in RETRIEVED))
# Queries whose distances to a whole gallery are held at once.
_QUERIES = 2048

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
        labelled: Episodes that classification and regression learn from.
        test: Episodes that all three measures are taken on; with one alone there is no retrieval.
        rng: Draws the labelled episodes of the few-shot measures, alike for all views.
    """
    views = list(test[0].embeddings)
    draws = _few_shot_draws(len(labelled), rng)
    events = key_events([episode.phases for episode in (*labelled, *test)])
    asked = {view: _Stacked.of(test, view, events) for view in views}
    results = []
    for view in views:
        learned = [_Stacked.of([episode], view, events) for episode in labelled]
        found = {
            **_classified(learned, draws, asked),
            "phase_r2": progression_r2(_joined(learned), asked),
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
    means = {}
    for prefix, within in (("", True), ("across_", False)):
        chosen = [r.metrics for r in results if (r.learned_view == r.asked_view) == within]
        for name in PHASE_METRICS:
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
            np.concatenate([episode.embeddings[view].cpu().numpy() for episode in episodes]),
            np.concatenate([episode.phases for episode in episodes]).astype(np.int64),
            np.repeat(np.arange(len(episodes)), lengths),
            np.concatenate([progression(episode.phases, events) for episode in episodes]),
        )


def _joined(parts: Sequence[_Stacked]) -> _Stacked:
    return _Stacked(
        np.concatenate([part.frames for part in parts]),
        np.concatenate([part.phases for part in parts]),
        np.repeat(np.arange(len(parts)), [len(part.phases) for part in parts]),
        np.concatenate([part.progress for part in parts]),
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


def _classified(
    learned: Sequence[_Stacked],
    draws: Mapping[str, Sequence[Labels]],
    asked: Mapping[str, _Stacked],
) -> dict[str, dict[str, float]]:
    found = {"phase_f1": classification_f1(_joined(learned), asked)}
    for name, sets in draws.items():
        scores = [classification_f1(_joined([learned[i] for i in s]), asked) for s in sets]
        found[name] = {view: float(np.mean([score[view] for score in scores])) for view in asked}
    return found


def classification_f1(learned: _Stacked, asked: Mapping[str, _Stacked]) -> dict[str, float]:
    """Weighted F1 of a support vector machine (RBF kernel, C = 1) on the frames of each view."""
    # A machine needs two classes; where the labelled frames show one phase, all get that one.
    several = len(np.unique(learned.phases)) > 1
    classifier = (SVC() if several else DummyClassifier()).fit(learned.frames, learned.phases)
    return {
        view: float(
            f1_score(
                frames.phases,
                classifier.predict(frames.frames),
                average="weighted",
                zero_division=0.0,
            )
        )
        for view, frames in asked.items()
    }


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
    """R² of linear regression of the progress, mean over events; NaN where no event is common."""
    if not learned.progress.shape[1]:
        return dict.fromkeys(asked, math.nan)
    model = LinearRegression().fit(learned.frames, learned.progress)
    return {
        view: float(r2_score(frames.progress, model.predict(frames.frames)))
        for view, frames in asked.items()
    }


def retrieval_precision(gallery: _Stacked, queries: _Stacked) -> dict[str, float]:
    """AP@K: share of the K nearest frames of other episodes that are of the query's phase.

    NaN where the other episodes have fewer than K frames for a query.
    """
    of_others = len(gallery.episodes) - np.bincount(gallery.episodes).max()
    feasible = [k for k in RETRIEVED if k <= of_others]
    precision = {f"ap{k}": math.nan for k in RETRIEVED}
    if not feasible:
        return precision
    searched = torch.from_numpy(gallery.frames)
    hits = []
    for start in range(0, len(queries.frames), _QUERIES):
        part = slice(start, start + _QUERIES)
        distance = torch.cdist(torch.from_numpy(queries.frames[part]), searched)
        own = queries.episodes[part, None] == gallery.episodes[None, :]
        distance.masked_fill_(torch.from_numpy(own), torch.inf)
        nearest = distance.topk(feasible[-1], largest=False).indices.numpy()
        hits.append(gallery.phases[nearest] == queries.phases[part, None])
    hit = np.concatenate(hits)
    return precision | {f"ap{k}": float(hit[:, :k].mean()) for k in feasible}
