"""Measures how well a trained run recognises the actions of held-out clips.

    python -m action.evaluate runs/paab_ntu_CVS3_20260101-120000
    python -m action.evaluate runs/paab_* --num-clips 10 --protocol CVS2
    python -m action.evaluate runs/paab_mocap --data mocap --root data/mocap_other

Writes `evaluation/<protocol>_<split>.json`, beside it the confusion matrix as a picture, and the
clips' features as `.safetensors`, which `python -m action.retrieve` searches.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from action.config import ActionConfig, DataName, Ensemble
from align.config import Split
from align.engine.run_folder import Checkpoint, RunFolder, require_runs
from datasets.bounds import PositiveInt
from datasets.command import command, parse

if TYPE_CHECKING:
    from action.evaluation import ActionEvaluation


def evaluate(
    run: Path | str,
    split: str = "test",
    protocol: str | None = None,
    checkpoint: Checkpoint = "best",
    num_clips: int = 1,
    ensemble: Ensemble = "mean",
    progress: bool = True,
    root: Path | str | None = None,
    relocate: bool = False,
    data: DataName | None = None,
) -> ActionEvaluation:
    """Measures a run and writes the result into its folder.

    Args:
        run: A folder made by `action.train`.
        split: Split whose clips are measured.
        protocol: Protocol of the clips; by default the one that the run was trained with, or the
            first of another data set.
        checkpoint: best: lowest validation error; last: the end of training.
        num_clips: Samples of each clip, spread over its time.
        ensemble: mean of the samples' probabilities, or the published maximum of logits.
        progress: Whether to show a progress bar.
        root: Where the run's data set lies now; by default where the run finds it. With `data`,
            the folder of that data set.
        relocate: Whether to store `root` in the run.
        data: Another data set to measure on, with the same classes; the run's own is not needed
            then.

    Raises:
        MismatchError: When the data are not those that the run was made of, or of other classes,
            or when the run has learned from clips of the split.
        DataError: When the run or its data cannot be read.
        CheckpointError: When its checkpoint cannot be used.
    """
    from action.measuring import measure

    place = None if root is None else Path(root)
    return measure(
        Path(run), split, protocol, checkpoint, num_clips, ensemble, progress, place, relocate, data
    )


def run(
    runs: tyro.conf.Positional[tuple[Path, ...]] = (),
    protocol: str | None = None,
    split: Split = "test",
    checkpoint: Checkpoint = "best",
    num_clips: PositiveInt = 1,
    ensemble: Ensemble = "mean",
    root: Path | None = None,
    relocate: bool = False,
    data: DataName | None = None,
) -> None:
    """Measures how well trained runs recognise the actions of held-out clips.

    Args:
        runs: Folders made by `python -m action.train`, at least one.
        protocol: Protocol of the clips; by default the one that the run was trained with, or the
            first of another data set.
        split: Split whose clips are measured.
        checkpoint: best: lowest validation error; last: the end of training.
        num_clips: Samples of each clip, spread over its time (the paper's 10).
        ensemble: mean of the samples' probabilities, or the published maximum of logits.
        root: Where the runs' data set lies now; by default where the runs find it. With --data,
            the folder of that data set, by default data/<name>.
        relocate: Store --root in the runs.
        data: Another data set to measure on, with the same classes; the runs' own is not needed
            then.
    """
    with command():
        require_runs(runs, ActionConfig)
        from action.measuring import NOTE, describe
        from align.engine.command import for_each

        def measure_and_print(folder: Path) -> None:
            result = evaluate(
                folder,
                split,
                protocol,
                checkpoint,
                num_clips,
                ensemble,
                root=root,
                relocate=relocate,
                data=data,
            )
            print(describe(result))
            print(f"confusion matrix: {RunFolder(folder).confusion(result.name)}", end="\n\n")

        for_each(runs, measure_and_print)
        print(NOTE)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parse(run, "python -m action.evaluate", arguments)


if __name__ == "__main__":
    main()
