"""AE2's measures of unpaired videos, on frozen embeddings of single frames.

- classification: a support vector machine learns the phases on labelled videos, F1 on test videos,
  each phase weighted by its frames;
- retrieval: average precision of the 10 nearest frames of *other* test videos, of which those of
  the query's phase count;
- progression: plain linear regression of the time since each phase last occurred, as a share of the
  video, R² as the mean over phases;
- order: Kendall's tau-b between the frames of a video and the frames of another nearest to them.

Classification and retrieval are also measured from each viewpoint to the other: labels or queries
are of the first, test frames or searched ones of the second.

Source: zihuixue/AlignEgoExo (Xue and Grauman 2023), evaluation/. Without the column of time that it
adds to the embeddings of one of its data sets, Pour Liquid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from scipy.stats import kendalltau
from sklearn.linear_model import LinearRegression
from sklearn.metrics import f1_score
from sklearn.svm import SVC
from torch import Tensor

from align.metrics.alignment import BLOCK, distances
from datasets.storage.episode_file import EGO, EXO

# What a measure's name ends in to the viewpoints that it leads from and to; None for all.
DIRECTIONS: dict[str, tuple[str | None, str | None]] = {
    "": (None, None),
    "_ego_to_exo": (EGO, EXO),
    "_exo_to_ego": (EXO, EGO),
}
RETRIEVED = 10
# Every how many frames the order is measured.
STRIDE = 5
F1, AP, PROGRESSION, ORDER = "unpaired_f1", "unpaired_ap10", "unpaired_r2", "unpaired_tau"


@dataclass(frozen=True)
class UnpairedVideo:
    """A video: its viewpoint, its embeddings and the phase of each frame."""

    viewpoint: str
    embeddings: Float[Tensor, "time dim"]
    phases: Int64[np.ndarray, " time"]


def unpaired_metrics(
    labelled: Sequence[UnpairedVideo], test: Sequence[UnpairedVideo]
) -> dict[str, float]:
    """All measures of some test videos; NaN where one is not defined.

    Args:
        labelled: Videos that classification and regression learn from; without any, these two are
            left out.
        test: At least one video.
    """
    found: dict[str, float] = {}
    for ending, (start, end) in DIRECTIONS.items():
        if labelled:
            found[F1 + ending] = phase_f1(_of(labelled, start), _of(test, end))
        found[AP + ending] = retrieval(_of(test, start), _of(test, end))
    if labelled:
        found[PROGRESSION] = progression_r2(labelled, test)
    found[ORDER] = order_tau([video.embeddings for video in test])
    return found


def phase_f1(labelled: Sequence[UnpairedVideo], test: Sequence[UnpairedVideo]) -> float:
    """Weighted F1 of a support vector machine (RBF kernel, C = 1); NaN without videos."""
    if not labelled or not test:
        return math.nan
    (frames, phases), (asked, true) = _stacked(labelled), _stacked(test)
    if len(np.unique(phases)) == 1:  # SVC needs two classes
        predicted = np.full(len(true), phases[0])
    else:
        predicted = SVC().fit(frames, phases).predict(asked)
    return float(f1_score(true, predicted, average="weighted", zero_division=0.0))


def retrieval(queries: Sequence[UnpairedVideo], searched: Sequence[UnpairedVideo]) -> float:
    """Mean over queries of the average precision of the RETRIEVED nearest frames of other videos.

    NaN where the other videos have fewer frames for a query.
    """
    found = []
    for query in queries:
        others = [video for video in searched if video is not query]
        if sum(len(video.phases) for video in others) < RETRIEVED:
            return math.nan
        gallery = torch.cat([video.embeddings for video in others])
        phases = np.concatenate([video.phases for video in others])
        rows = max(1, BLOCK // len(gallery))
        nearest = np.concatenate(
            [
                distances(part, gallery).topk(RETRIEVED, largest=False).indices.cpu().numpy()
                for part in query.embeddings.split(rows)
            ]
        )
        found.append(average_precision(phases[nearest] == query.phases[:, None]))
    return float(np.concatenate(found).mean()) if found else math.nan


def average_precision(hits: Shaped[np.ndarray, "queries ranks"]) -> Float[np.ndarray, " queries"]:
    """Mean of the precisions at the ranks of the hits; 0 without a hit."""
    precision = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    return (precision * hits).sum(axis=1) / np.maximum(hits.sum(axis=1), 1)


def progression_r2(labelled: Sequence[UnpairedVideo], test: Sequence[UnpairedVideo]) -> float:
    """R² of linear regression of the time since a phase last occurred, mean over phases.

    A video without the phase says nothing about it. Phases that are in no labelled or no test video
    are left out; NaN where none is left.
    """
    scores = []
    for phase in np.unique(np.concatenate([video.phases for video in labelled])).tolist():
        learned, asked = _with_phase(labelled, phase), _with_phase(test, phase)
        if asked and sum(len(video.phases) for video in asked) > 1:
            model = LinearRegression().fit(_stacked(learned)[0], _progress(learned, phase))
            scores.append(model.score(_stacked(asked)[0], _progress(asked, phase)))
    return float(np.mean(scores)) if scores else math.nan


def order_tau(videos: Sequence[Float[Tensor, "time dim"]]) -> float:
    """Mean of Kendall's tau-b over all ordered pairs of videos, at every STRIDE-th frame.

    NaN where the matches of all pairs tie, or there is one video alone.
    """
    thinned = [video[::STRIDE] for video in videos]
    taus = []
    for i, one in enumerate(thinned):
        for j, other in enumerate(thinned):
            if i != j and len(one) > 1:
                nearest = distances(one, other).argmin(dim=1).tolist()
                taus.append(float(kendalltau(range(len(one)), nearest).statistic))
    known = [tau for tau in taus if not math.isnan(tau)]
    return sum(known) / len(known) if known else math.nan


def _of(videos: Sequence[UnpairedVideo], viewpoint: str | None) -> list[UnpairedVideo]:
    return [video for video in videos if viewpoint in (None, video.viewpoint)]


def _with_phase(videos: Sequence[UnpairedVideo], phase: int) -> list[UnpairedVideo]:
    return [video for video in videos if phase in video.phases]


def _stacked(
    videos: Sequence[UnpairedVideo],
) -> tuple[Float[np.ndarray, "frames dim"], Int64[np.ndarray, " frames"]]:
    frames = torch.cat([video.embeddings for video in videos])
    return frames.cpu().numpy(), np.concatenate([video.phases for video in videos])


def _progress(videos: Sequence[UnpairedVideo], phase: int) -> Float[np.ndarray, " frames"]:
    """Time since the last frame of a phase, as a share of the video; negative before."""
    return np.concatenate(
        [
            (np.arange(len(v.phases)) - np.flatnonzero(v.phases == phase)[-1]) / len(v.phases)
            for v in videos
        ]
    )
