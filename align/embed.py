"""Writes the embeddings of videos and data sets.

    python -m align.embed runs/paat first.mp4 second.mp4
    python -m align.embed runs/paat data/lift --split test --out embeddings.parquet
    python -m align.embed runs/paat data/lift --views ego view_0

The file has one row a frame: view, episode, frame (from 0), time (seconds from the first frame) and
embedding. Distances between embeddings are those that `align.evaluate` measures. With --raw they
are those before a video's mean is subtracted and they are scaled to length 1, so that a frame's
embedding depends on this frame alone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro

from align.config import AnySplit
from align.engine.run_folder import Checkpoint, RunFolder
from datasets.command import command, optional, parse
from datasets.errors import MissingDataError, OptionError, counted

if TYPE_CHECKING:
    from align.embedder import FrameEmbedder
    from align.frame_table import Columns
    from align.inputs.footage import Footage


def embed(
    run: Path | str,
    what: Sequence[Path | str],
    out: Path | str,
    split: AnySplit = "all",
    views: Sequence[str] = (),
    checkpoint: Checkpoint = "best",
    raw: bool = False,
    progress: bool = True,
) -> int:
    """Writes the embeddings of all frames of videos and data sets; returns their number.

    Args:
        run: A folder made by `align.train`, or one of its checkpoints.
        what: Video files, and folders of data sets.
        out: The file, which ends with .npz or .parquet.
        split: Split of the data sets.
        views: Views of the data sets; all by default.
        checkpoint: Checkpoint of a folder of a run; best: lowest validation alignment error; last:
            the end of training.
        raw: Whether to leave out the centring over each video and the scaling.
        progress: Whether to show a progress bar.

    Raises:
        DataError: When the run, a video or a data set cannot be used, or they do not fit.
        OptionError: When the ending of `out` names no known format, when something is named twice,
            or when videos alone are to have a split or views.
        CheckpointError: When the checkpoint is missing, truncated or of another model.
    """
    from align.embedder import FrameEmbedder
    from align.frame_table import joined, require_table_path, write_table
    from datasets.progress import ProgressBar

    run, out = Path(run), Path(out)
    require_table_path(out)
    embedder = FrameEmbedder.load(run, checkpoint)
    paths = [Path(each) for each in what]
    _require_data(paths, split, views)
    footage = _footage(run, embedder, paths, None if split == "all" else split, views, raw)
    bar = ProgressBar(footage, desc=run.name, unit="video", disable=not progress)
    table = joined([_embedded(video, embedder, raw) for video in bar])
    write_table(out, table)
    return len(table["frame"])


def _require_data(what: Sequence[Path], split: AnySplit, views: Sequence[str]) -> None:
    """Checks that everything is named once, and that the options are of something named."""
    places = [os.path.abspath(path) for path in what]
    for path, place in zip(what, places, strict=True):
        if places.count(place) > 1:
            raise OptionError(f"{path} is named twice: name each video and data set once.")
    given = {"--split": split != "all", "--views": bool(views)}
    named = " and ".join(option for option, is_given in given.items() if is_given)
    if named and what and not any(path.is_dir() for path in what):
        raise OptionError(f"videos have no splits and no views: leave out {named}.")


def _footage(
    run: Path,
    embedder: FrameEmbedder,
    what: Sequence[Path],
    split: str | None,
    views: Sequence[str],
    raw: bool,
) -> list[Footage]:
    from align.inputs.footage import episode_views, open_episodes, video_files

    who = str(run)
    roots = [path for path in what if path.is_dir()]
    files = [path for path in what if not path.is_dir()]
    # The mean of a single frame is this frame, so that nothing is left of it.
    found = video_files(who, embedder, files, least=1 if raw else 2)
    for root in roots:
        data = open_episodes(who, embedder, root, split, views or None)
        found += episode_views(data, str(root) if len(roots) > 1 else "")
    if not found:
        raise MissingDataError("name one or more videos or data sets to embed.")
    return found


def _embedded(video: Footage, embedder: FrameEmbedder, raw: bool) -> Columns:
    encoded = video.encode(embedder)
    embedding = encoded if raw else embedder.model.compare(encoded)
    length = len(embedding)
    return {
        "view": np.full(length, video.view),
        "episode": np.full(length, video.episode),
        "frame": np.arange(length),
        "time": video.times()[:length],
        "embedding": embedding.numpy(),
    }


def run(
    run: tyro.conf.Positional[Path],
    what: tyro.conf.Positional[tuple[Path, ...]],
    /,
    out: Annotated[Path | None, optional("FILE")] = None,
    split: AnySplit = "all",
    views: tuple[str, ...] = (),
    checkpoint: Checkpoint = "best",
    raw: bool = False,
) -> None:
    """Writes the embeddings of videos and data sets, one row a frame.

    Args:
        run: A folder made by `python -m align.train`, or one of its checkpoints.
        what: Video files, and folders of data sets.
        out: The file; .npz or .parquet says the format. By default a new file in the run's
            folder, named after the first video or data set.
        split: Split of the data sets.
        views: Views of the data sets; all by default.
        checkpoint: best: lowest validation alignment error; last: the end of training.
        raw: Leave out the centring over each video and the scaling to length 1, so that a frame's
            embedding depends on this frame alone.
    """
    with command():
        path = out or _default_path(run, what, split)
        rows = embed(run, what, path, split, views, checkpoint, raw)
        print(f"{path}: {counted(rows, 'frame')}")


def _default_path(run: Path, what: Sequence[Path], split: AnySplit) -> Path:
    from align.frame_table import require_new

    if not run.is_dir():
        raise OptionError(f"{run} is no folder of a run, so name the file to write: --out FILE.npz")
    if not what:
        raise MissingDataError("name one or more videos or data sets to embed.")
    first = what[0].resolve()
    name = f"{first.name}_{split}" if first.is_dir() else first.stem
    return require_new(RunFolder(run).embedded(name))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parse(run, "python -m align.embed", arguments)


if __name__ == "__main__":
    main()
