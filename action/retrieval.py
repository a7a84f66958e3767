"""The search of clips by the features of a run, with its stored result and its picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from action.config import ActionConfig, ClipSource, Metric
from action.features import ClipFeatures, clip_features
from action.inputs.clips import open_own_data
from action.pictures import ASKED, RIGHT, WRONG, Found, draw_retrieval
from action.search import Retrieval, common_labels, retrieve
from align.engine.run_folder import Checkpoint, RunFolder
from align.probe import evenly
from datasets.errors import MismatchError
from datasets.storage.atomic import atomic_path, require_writable

SHOWN = 5  # clips that the picture shows for each query


@dataclass(frozen=True)
class ClipRetrieval:
    """Result of a search of the clips of one set in another.

    Attributes:
        metrics: See `action.search.retrieve`.
        classes: The classes of which both sets have clips.
        query_clips: Number of queries of these classes.
        gallery_clips: Number of the gallery's clips of these classes.
        left_out: Number of clips of other classes, among the queries and in the gallery.
        found: Query to the clips nearest to it, nearest first.
    """

    metrics: dict[str, float]
    classes: tuple[str, ...]
    query_clips: int
    gallery_clips: int
    left_out: tuple[int, int]
    found: dict[str, list[str]]


def retrieve_clips(
    query: ClipFeatures, gallery: ClipFeatures, metric: Metric = "cosine"
) -> tuple[ClipRetrieval, list[list[Found]]]:
    """Searches the gallery for every query, without the query's own clip.

    Returns:
        The result, and each query with the clips nearest to it, as a picture shows them.

    Raises:
        DataError: When the features come from different weights, or no class is common.
    """
    if query.model != gallery.model:
        raise MismatchError(
            "the features of queries and gallery come from different weights, so they cannot be "
            "compared: make both with one run and checkpoint."
        )
    names = [[f.classes[label] for label in f.labels] for f in (query, gallery)]
    classes, asked, searched = common_labels(*names)
    if not classes:
        of_queries, of_gallery = (", ".join(sorted(set(n))) for n in names)
        raise MismatchError(
            f"queries and gallery have no class in common: the queries are of {of_queries}; "
            f"the gallery of {of_gallery}."
        )
    queries, places = np.flatnonzero(asked >= 0), np.flatnonzero(searched >= 0)
    clips, candidates = [query.clips[i] for i in queries], [gallery.clips[i] for i in places]
    place = {clip.video.resolve(): i for i, clip in enumerate(candidates)}
    own = np.array([place.get(clip.video.resolve(), -1) for clip in clips])
    result = retrieve(
        query.features[queries],
        gallery.features[places],
        asked[queries],
        searched[places],
        metric,
        own,
    )
    rows = _rows(
        result,
        [Found(c, names[0][i], ASKED) for c, i in zip(clips, queries, strict=True)],
        [Found(c, names[1][i], "") for c, i in zip(candidates, places, strict=True)],
    )
    return ClipRetrieval(
        result.metrics,
        classes,
        len(result.queries),
        len(places),
        (len(query.clips) - len(result.queries), len(gallery.clips) - len(places)),
        {row[0].clip.name: [item.clip.name for item in row[1:]] for row in rows},
    ), rows


def _rows(
    result: Retrieval, asked: Sequence[Found], searched: Sequence[Found]
) -> list[list[Found]]:
    rows = []
    for query, nearest in zip(result.queries.tolist(), result.nearest.tolist(), strict=True):
        name = asked[query].name
        row = [asked[query]]
        for place in nearest:
            found = searched[place]
            right = found.name.lower() == name.lower()
            row.append(Found(found.clip, found.name, RIGHT if right else WRONG))
        rows.append(row)
    return rows


def describe(result: ClipRetrieval) -> str:
    """The metrics in one line, and the numbers of clips in another."""
    numbers = "  ".join(f"{name} {value:.3f}" for name, value in result.metrics.items())
    text = (
        f"  {numbers}\n  {result.query_clips} queries in {result.gallery_clips} clips, "
        f"{len(result.classes)} common classes"
    )
    if any(result.left_out):
        text += f"; left out {result.left_out[0]} queries and {result.left_out[1]} clips of others"
    return text


def write(
    result: ClipRetrieval,
    rows: Sequence[Sequence[Found]],
    path: Path,
    pictured: int,
    title: str,
    trust_pickles: bool,
) -> None:
    """Writes the result as JSON, and a picture of some queries beside it."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(asdict(result), indent=1) + "\n")
    if pictured:
        shown = [rows[i][: 1 + SHOWN] for i in evenly(len(rows), pictured)]
        draw_retrieval(shown, title, path.with_suffix(".png"), trust_pickles)


def search(
    run: Path,
    query: ClipSource,
    gallery: ClipSource,
    metric: Metric = "cosine",
    checkpoint: Checkpoint = "best",
    num_clips: int = 1,
    pictured: int = 6,
    out: Path | None = None,
    trust_pickles: bool = False,
    progress: bool = True,
    root: Path | None = None,
    relocate: bool = False,
) -> tuple[ClipRetrieval, Path]:
    """Searches by a run's features, and writes the result and its picture.

    See `python -m action.retrieve --help` for the arguments.

    Returns:
        The result and its file.

    Raises:
        DataError: When the run, its data or the features cannot be used.
        CheckpointError: When the run's checkpoint cannot be used.
    """
    name = f"{_name(query)}_in_{_name(gallery)}"
    folder = RunFolder(run)
    path = out / f"{name}.json" if out else folder.retrieval(name)
    require_writable(path)
    if relocate:
        open_own_data(run, ActionConfig.load(run), root, move=True)
    asked = clip_features(run, query, checkpoint, num_clips, progress, root)
    searched = clip_features(run, gallery, checkpoint, num_clips, progress, root)
    result, rows = retrieve_clips(asked, searched, metric)
    trusted = trust_pickles or (folder.exists and ActionConfig.load(run).trust_pickles)
    write(result, rows, path, pictured, f"{run.name}: {name.replace('_', ' ')}", trusted)
    return result, path


def _name(source: ClipSource) -> str:
    if source.features is not None:
        return source.features.stem
    folder = source.root.name if source.root else source.data
    return "_".join(part for part in (folder, source.protocol, source.split) if part)
