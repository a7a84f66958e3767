"""Draws distances and attention of the tokens of runs (paper section 4.6, Figures 7 and 10).

    python -m action.analyze runs/baseline_mocap_CS runs/paab_mocap_CS runs/paat_mocap_CS

Writes the figure, and its values as `analysis/<protocol>_<split>.json` into each run's folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tyro

from action.config import ActionConfig
from align.config import Split
from align.engine.run_folder import Checkpoint, require_runs
from datasets.bounds import PositiveInt
from datasets.command import command, parse


def run(
    runs: tyro.conf.Positional[tuple[Path, ...]] = (),
    split: Split = "test",
    checkpoint: Checkpoint = "best",
    clips: PositiveInt = 64,
    root: Path | None = None,
    relocate: bool = False,
    out: Path = Path("runs/action_analysis.png"),
) -> None:
    """Draws distances and attention of the tokens of trained runs.

    Args:
        runs: Folders made by `python -m action.train`, of one data set, at least one.
        split: Split whose clips are analysed.
        checkpoint: best: lowest validation error; last: the end of training.
        clips: Largest number of clips, spread evenly.
        root: Where the runs' data set lies now; by default where the runs find it.
        relocate: Store --root in the runs.
        out: The figure, a PNG.
    """
    with command(ValueError):
        require_runs(runs, ActionConfig)
        from action.analyzing import analyze
        from align.report.tokens import draw_analyses

        results = {
            run: analyze(run, split, checkpoint, clips, root=root, relocate=relocate)
            for run in runs
        }
        labels = {run: ActionConfig.load(run).method for run in runs}
        draw_analyses(results, labels, out)
        print(f"figure: {out}")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parse(run, "python -m action.analyze", arguments)


if __name__ == "__main__":
    main()
