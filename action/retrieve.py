"""Finds clips of the same action among others, by the features of a trained run.

    python -m action.retrieve runs/paat_ntu_CS_20260101-120000
    python -m action.retrieve runs/paat_ntu_CS_* --query.data nucla --gallery.data nucla
    python -m action.retrieve --query.features a.safetensors --gallery.features b.safetensors

By default the run's test clips are searched among its training clips; both can come from any data
set and protocol. Classes are matched by their names, and only those with clips on both sides count.
Features are stored in the run's folder, and computed again only when its weights have changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tyro

from action.config import ActionConfig, ClipSource, Metric
from align.engine.run_folder import Checkpoint, require_runs
from datasets.bounds import NaturalInt, PositiveInt
from datasets.command import command, parse
from datasets.errors import OptionError


def run(
    runs: tyro.conf.Positional[tuple[Path, ...]] = (),
    query: ClipSource = ClipSource("test"),  # noqa: B008 (frozen)
    gallery: ClipSource = ClipSource("train"),  # noqa: B008
    metric: Metric = "cosine",
    checkpoint: Checkpoint = "best",
    num_clips: PositiveInt = 1,
    pictured: NaturalInt = 6,
    out: Path | None = None,
    trust_pickles: bool = False,
    root: Path | None = None,
    relocate: bool = False,
) -> None:
    """Finds clips of the same action among others, by the features of trained runs.

    Args:
        runs: Folders made by `python -m action.train`; none where both sides are features.
        query: Clips to find others for.
        gallery: Clips to search.
        metric: Distance between features: cosine or euclidean.
        checkpoint: best: lowest validation error; last: the end of training.
        num_clips: Samples of each clip, spread over its time; their mean feature counts.
        pictured: Queries in the picture; 0 draws none.
        out: Folder of the results; by default `retrieval` in the run's folder, or the folder of the
            features.
        trust_pickles: For the picture of features without a run, load NTU's .skeleton.npy files,
            which are pickles and can run any code. A run stores this option itself.
        root: Where the runs' own data set lies now; by default where the runs find it.
        relocate: Store --root in the runs.
    """
    with command():
        folders = runs or _folder_of_features(query, gallery)
        if folders == runs:  # features need no run
            require_runs(runs, ActionConfig)
        if out is not None and len(set(folders)) > 1:
            raise OptionError(
                f"--out {out} is the folder of one run's results, and there are {len(folders)} "
                "runs: leave it out, or search with one run at a time."
            )
        from action.retrieval import describe, search

        for run in folders:
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
                root=root,
                relocate=relocate,
            )
            print(f"{run}, {path.stem.replace('_', ' ')}:\n{describe(result)}")
            print(f"results: {path}")


def _folder_of_features(query: ClipSource, gallery: ClipSource) -> tuple[Path, ...]:
    """The folder of the queries' features, which stands for the run; none without features."""
    if query.features is None or gallery.features is None:
        return ()
    return (query.features.parent,)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parse(run, "python -m action.retrieve", arguments)


if __name__ == "__main__":
    main()
