"""Measures how well a trained run aligns the views of held-out episodes.

    python -m align.evaluate runs/paab_lift_20260101-120000
    python -m align.evaluate runs/* --split valid
    python -m align.evaluate runs/… --protocol unseen     # ego and the last third-person views
    python -m align.evaluate runs/… --data data/can       # another world
    python -m align.evaluate runs/… --data data/break_eggs    # unpaired videos: AE2's protocol

Writes `evaluation/<name>.json` (the means, and the metrics of every pair of views of every episode)
and `evaluation/<name>_embeddings.safetensors` (`<episode>/<view>` to (time, dim)) into the run's
folder. The name is the split, followed by the protocol and the data set where they are not the
run's own, and by the checkpoint where it is not the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from align.config import Protocol, Split, TrainConfig
from align.engine.run_folder import Checkpoint, RunFolder, require_runs
from datasets.bounds import NaturalInt
from datasets.command import command, command_line, optional, parse

if TYPE_CHECKING:
    from align.results.evaluation import Evaluation


def evaluate(
    run: Path | str,
    split: Split = "test",
    checkpoint: Checkpoint = "best",
    progress: bool = True,
    *,
    data: Path | str | None = None,
    protocol: Protocol | None = None,
    labelled_episodes: int | None = None,
    relocate: bool = False,
) -> Evaluation:
    """Embeds every frame of a split once, measures all pairs of views, and stores the result.

    Args:
        run: A folder made by `align.train`.
        split: Split whose episodes are measured.
        checkpoint: best: lowest validation alignment error; last: the end of training.
        progress: Whether to show a progress bar.
        data: Another data set than the run's own.
        protocol: Which views to test on; the run's own by default.
        labelled_episodes: Number of training episodes that the phase metrics learn from, from the
            first on; 0 leaves these metrics out. By default 10, and all of unpaired videos.
        relocate: Whether `data` is where the run's own data set lies now; the run then stores it.

    Raises:
        MissingDataError: When the run or its data do not exist.
        MismatchError: When the data are not those that the run was made of and none are named,
            when the run has learned from episodes of the split, or when run and data do not fit.
        DataError: When the run or its data cannot be used otherwise.
        CheckpointError: When the checkpoint is missing, truncated or of another model.
    """
    from align.measuring import measure

    named = None if data is None else Path(data)
    return measure(
        Path(run), split, checkpoint, named, protocol, labelled_episodes, progress, relocate
    )


def run(
    runs: tyro.conf.Positional[tuple[Path, ...]] = (),
    split: Split = "test",
    checkpoint: Checkpoint = "best",
    data: Path | None = None,
    protocol: Protocol | None = None,
    labelled_episodes: Annotated[NaturalInt | None, optional("NUMBER")] = None,
    relocate: bool = False,
) -> None:
    """Measures how well trained runs align the views of held-out episodes.

    Args:
        runs: Folders made by `python -m align.train`, at least one.
        split: Split whose episodes are measured.
        checkpoint: best: lowest validation alignment error; last: the end of training.
        data: Another data set than the run's own, to see whether what it learned transfers.
        protocol: seen: all views; unseen: ego and the last third-person views, which a run trained
            with that protocol has not seen. The run's own by default.
        labelled_episodes: Number of training episodes whose phases the classifiers and regressions
            learn from, from the first on; 0 leaves the phase metrics out. By default 10, and all
            of unpaired videos.
        relocate: Store --data in the runs as the place where their own data set lies now.
    """
    with command():
        require_runs(runs, TrainConfig)
        from align.engine.command import for_each
        from align.results.chance import chance_of
        from align.results.console import NOTE, evaluation_table
        from datasets.episodes import EpisodeDataset

        measured: dict[str, list[str]] = {}

        def measure_and_print(folder: Path) -> None:
            evaluation = evaluate(
                folder,
                split,
                checkpoint,
                data=data,
                protocol=protocol,
                labelled_episodes=labelled_episodes,
                relocate=relocate,
            )
            chance = chance_of(EpisodeDataset(evaluation.data, split))
            print(evaluation_table(evaluation, chance), end="\n\n")
            print(f"stored: {RunFolder(folder).evaluation(evaluation.name)}", end="\n\n")
            reported = measured.setdefault(evaluation.name, [])
            if evaluation.pairs:  # reports are about errors between views of the same moments
                reported.append(str(folder))

        try:
            for_each(runs, measure_and_print)
        finally:
            if measured:
                print(NOTE)
            for name, folders in measured.items():
                if not folders:
                    continue
                words = [*folders, *([] if name == "test" else ["--evaluation", name])]
                print(f"next: {command_line('align.report', words)}")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parse(run, "python -m align.evaluate", arguments)


if __name__ == "__main__":
    main()
