"""Exact search of clips by their features, and metrics of how well it finds clips of a class.

A query is compared with every clip of the gallery in one matrix product, which takes milliseconds
for tens of thousands of clips (`tests/benchmarks/bench_retrieval.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from action.config import Metric
from datasets.errors import FormatError, MismatchError, require_known

RECALLS = (1, 5, 10)
# Distances that are in memory at a time: a few hundred megabytes together with their order.
_AT_ONCE = 10_000_000


@dataclass(frozen=True)
class Retrieval:
    """Result of a search.

    Attributes:
        metrics: recall@1, recall@5, recall@10 and map, see `retrieve`.
        queries: Indices of the queries that count.
        nearest: Indices of the gallery's clips nearest to each of these queries, nearest first.
    """

    metrics: dict[str, float]
    queries: Int[np.ndarray, " counted"]
    nearest: Int[np.ndarray, "counted found"]


def retrieve(
    queries: Float[np.ndarray, "queries dim"],
    gallery: Float[np.ndarray, "clips dim"],
    query_labels: Int[np.ndarray, " queries"],
    gallery_labels: Int[np.ndarray, " clips"],
    metric: Metric = "cosine",
    own: Int[np.ndarray, " queries"] | None = None,
) -> Retrieval:
    """Ranks the gallery for every query and measures the ranks of the clips of its class.

    recall@k is the share of queries with a clip of their class among the k nearest (paper section
    4.1). map is the mean over queries of average precision: the precision at each clip of the
    query's class, averaged over these clips. A query without such a clip in the gallery does not
    count. Clips at equal distances keep the gallery's order.

    Args:
        queries: Features of the queries.
        gallery: Features of the clips to find.
        query_labels: Classes of the queries.
        gallery_labels: Classes of the gallery, numbered as those of the queries.
        metric: Distance between features: cosine or euclidean.
        own: Each query's own index in the gallery, which it must not find; -1 where it has none.

    Raises:
        FormatError: When features are not finite.
        MismatchError: When features differ in width, or no query counts.
        UnknownNameError: An unknown metric.
    """
    require_known("metric", metric, get_args(Metric))
    if not (np.isfinite(queries).all() and np.isfinite(gallery).all()):
        raise FormatError("features that are not finite numbers have no order: compute them again.")
    if queries.shape[1] != gallery.shape[1]:
        raise MismatchError(
            f"features of width {queries.shape[1]} cannot be searched among those of width "
            f"{gallery.shape[1]}: both must come from one model."
        )
    places = np.full(len(queries), -1) if own is None else own
    labels, wanted = torch.from_numpy(gallery_labels), torch.from_numpy(query_labels)
    shown = min(RECALLS[-1], len(gallery) - int((places >= 0).any()))
    counted, nearest, ranks, precision = [], [], [], []
    for part, order in rankings(queries, gallery, metric):
        keep = order != torch.from_numpy(places)[part, None]
        same = (labels[order] == wanted[part, None]) & keep
        counts = same.any(dim=1)
        counted.append(torch.arange(part.start, part.stop)[counts])
        order, same, keep = order[counts], same[counts], keep[counts]
        nearest.append(_first(order, keep, shown))
        ranks.append(_rank_of_first(same, keep))
        precision.append(average_precision(same, keep))
    if not sum(map(len, counted)):
        raise MismatchError("no query has a clip of its class in the gallery.")
    rank = torch.cat(ranks)
    metrics = {f"recall@{k}": (rank <= k).double().mean().item() for k in RECALLS}
    metrics["map"] = torch.cat(precision).mean().item()
    return Retrieval(metrics, torch.cat(counted).numpy(), torch.cat(nearest).numpy())


def rankings(
    queries: Float[np.ndarray, "queries dim"],
    gallery: Float[np.ndarray, "clips dim"],
    metric: Metric = "cosine",
) -> Iterator[tuple[slice, Int[Tensor, "some clips"]]]:
    """Yields some queries at a time, and the indices of all gallery clips, nearest first."""
    asked, searched = torch.from_numpy(queries).float(), torch.from_numpy(gallery).float()
    if metric == "cosine":
        asked, searched = F.normalize(asked, dim=1), F.normalize(searched, dim=1)
    step = max(1, _AT_ONCE // len(searched))
    for start in range(0, len(asked), step):
        part = slice(start, min(start + step, len(asked)))
        if metric == "cosine":
            distance = -(asked[part] @ searched.T)
        else:
            distance = torch.cdist(asked[part], searched)
        yield part, distance.argsort(dim=1, stable=True)


def _rank_of_first(
    same: Bool[Tensor, "queries clips"], keep: Bool[Tensor, "queries clips"]
) -> Int[Tensor, " queries"]:
    """The rank, from 1, of the first clip of the query's class among those that count."""
    first = same.int().argmax(dim=1, keepdim=True)
    return keep.cumsum(dim=1).gather(1, first).squeeze(1)


def average_precision(
    same: Bool[Tensor, "queries clips"], keep: Bool[Tensor, "queries clips"]
) -> Float[Tensor, " queries"]:
    """Average precision of rankings.

    Args:
        same: Whether each clip of a ranking is of the query's class.
        keep: Whether the clip counts; a query's own clip does not.
    """
    found, seen = same.cumsum(dim=1), keep.cumsum(dim=1)
    at_hits = torch.where(same, found.double() / seen.clamp(min=1), 0.0)
    return at_hits.sum(dim=1) / found[:, -1]


def common_labels(
    query_names: Sequence[str], gallery_names: Sequence[str]
) -> tuple[tuple[str, ...], Int[np.ndarray, " queries"], Int[np.ndarray, " clips"]]:
    """Labels with which clips of two data sets are compared.

    Args:
        query_names: Class of each query.
        gallery_names: Class of each clip of the gallery.

    Returns:
        The names of the classes that both have, in lower case, and the label of every query and of
        every clip of the gallery; -1 for other classes. Upper and lower case are the same.
    """
    asked, searched = ([n.lower() for n in names] for names in (query_names, gallery_names))
    common = sorted(set(asked) & set(searched))
    index = {name: label for label, name in enumerate(common)}
    of_queries, of_gallery = (
        np.array([index.get(n, -1) for n in names], np.int64) for names in (asked, searched)
    )
    return tuple(common), of_queries, of_gallery


def _first(values: Tensor, keep: Bool[Tensor, "queries clips"], count: int) -> Tensor:
    """The first `count` kept values of each row, in which at most one value is not kept."""
    at = (~keep[:, : count + 1]).byte().argsort(dim=1, stable=True)[:, :count]
    return values.gather(1, at)
