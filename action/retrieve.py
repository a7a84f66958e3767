"""Finds clips of the same action among others, by the features of a trained run.

    python -m action.retrieve runs/paat_ntu_CS_20260101-120000
    python -m action.retrieve runs/paat_ntu_CS_* --query.data nucla --gallery.data nucla
    python -m action.retrieve --query.features a.safetensors --gallery.features b.safetensors

Without more, the run's test clips are sought among its training clips; both can be of any data set
and protocol. Classes are matched by their names, and only those that both sides have clips of
count. Features are stored in the run's folder, and made anew only when its weights have changed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tyro

from action.config import ActionConfig
from action.features import ClipFeatures, ClipSource, clip_features
from action.pictures import ASKED, RIGHT, WRONG, Found, draw_retrieval
from action.search import Metric, Retrieval, common_labels, retrieve
from align.engine.checkpoint import CheckpointError
from align.engine.run_folder import CONFIG_NAME, Checkpoint
from align.probe import evenly
from datasets.command import command, parse
from datasets.errors import DataError
from datasets.storage.atomic import atomic_path

SHOWN = 5
RETRIEVAL_FOLDER = "retrieval"


@dataclass(frozen=True)
class ClipRetrieval:
    """What the clips of one set found in another.

    Attributes:
        metrics: See `action.search.retrieve`.
        classes: The classes that both sets have clips of.
        query_clips: Queries of these classes; and the gallery's clips, among which they searched.
        left_out: Clips of other classes, of the queries and of the gallery.
        found: Each query to the clips nearest to it, nearest first.
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
    """Searches every query in the gallery, but for itself.

    Returns:
        The result, and each query with the clips nearest to it, as a picture shows them.

    Raises:
        DataError: When the features are of different models, or no class is common.
    """
    if query.model != gallery.model:
        raise DataError(
            "the features of queries and gallery are of different weights, between which there is "
            "no distance: make both with one run and checkpoint."
        )
    names = [[f.classes[label] for label in f.labels] for f in (query, gallery)]
    classes, asked, searched = common_labels(*names)
    if not classes:
        of_queries, of_gallery = (", ".join(sorted(set(n))) for n in names)
        raise DataError(
            f"queries and gallery have no class in common: the queries are of {of_queries}; "
            f"the gallery of {of_gallery}."
        )
    queries, places = np.flatnonzero(asked >= 0), np.flatnonzero(searched >= 0)
    clips, candidates = [query.clips[i] for i in queries], [gallery.clips[i] for i in places]
    place = {clip.video.resolve(): i for i, clip in enumerate(candidates)}
    own = np.array([place.get(clip.video.resolve(), -1) for clip in clips])
    try:
        result = retrieve(
            query.features[queries],
            gallery.features[places],
            asked[queries],
            searched[places],
            metric,
            own,
        )
    except ValueError as error:
        raise DataError(str(error)) from None
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
    """The metrics in one line, and what they are of in another."""
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
) -> tuple[ClipRetrieval, Path]:
    """Searches by a run's features, and writes the result and its picture; see `main`.

    Returns:
        The result and its file.

    Raises:
        DataError: When the run, its data or the features cannot be used.
        CheckpointError: When the run's checkpoint cannot be used.
    """
    asked = clip_features(run, query, checkpoint, num_clips, progress)
    searched = clip_features(run, gallery, checkpoint, num_clips, progress)
    result, rows = retrieve_clips(asked, searched, metric)
    name = f"{_told(query)}_in_{_told(gallery)}"
    path = (out or run / RETRIEVAL_FOLDER) / f"{name}.json"
    is_run = (run / CONFIG_NAME).exists()
    trusted = trust_pickles or (is_run and ActionConfig.load(run).trust_pickles)
    write(result, rows, path, pictured, f"{run.name}: {name.replace('_', ' ')}", trusted)
    return result, path


def _told(source: ClipSource) -> str:
    if source.features is not None:
        return source.features.stem
    folder = source.root.name if source.root else source.data
    return "_".join(part for part in (folder, source.protocol, source.split) if part)


def run(
    runs: tyro.conf.Positional[tuple[Path, ...]] = (),
    query: ClipSource = ClipSource("test"),  # noqa: B008 (frozen)
    gallery: ClipSource = ClipSource("train"),  # noqa: B008
    metric: Metric = "cosine",
    checkpoint: Checkpoint = "best",
    num_clips: int = 1,
    pictured: int = 6,
    out: Path | None = None,
    trust_pickles: bool = False,
) -> None:
    """Finds clips of the same action among others, by the features of trained runs.

    Args:
        runs: Folders made by `python -m action.train`; none where features are given.
        query: The clips to find others for.
        gallery: The clips to find.
        metric: What is near: the angle between features, or their distance.
        checkpoint: best: lowest validation error; last: the end of training.
        num_clips: Samples of each clip, spread over its time, whose mean feature counts.
        pictured: Queries in the picture; 0 draws none.
        out: Folder of the results; `retrieval` in the run's folder, or beside the features.
        trust_pickles: For the picture of features without a run, load NTU's .skeleton.npy files,
            which are pickles and can run any code; a run says so itself.
    """
    with command(CheckpointError):
        for run in runs or [_folder_of_features(query, gallery)]:
            result, path = search(
                run,
                query,
                gallery,
                metric,
                checkpoint,
                num_clips,
                pictured,
                out,
                trust_pickles,
            )
            print(f"{run}, {path.stem.replace('_', ' ')}:\n{describe(result)}")
            print(f"results: {path}")


def _folder_of_features(query: ClipSource, gallery: ClipSource) -> Path:
    if query.features is None or gallery.features is None:
        raise DataError(
            "name a run to make features with, or both --query.features and --gallery.features."
        )
    return query.features.parent


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parse(run, "python -m action.retrieve", arguments)


if __name__ == "__main__":
    main()
