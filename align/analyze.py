"""Draws distances and attention of the tokens of runs (paper section 4.6, Figures 7 and 10).

    python -m align.analyze runs/deit_lift runs/paab_lift runs/paat_lift

Writes the figure, and into each run's folder its values as `analysis/<split>.json` and the
attention in one episode as `<split>_attention.json`. `align.report` shows both.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tyro

from align.config import Split, TrainConfig
from align.engine.run_folder import Checkpoint, require_runs
from datasets.bounds import PositiveInt
from datasets.command import command, command_line, parse
from datasets.storage.atomic import require_writable


def run(
    runs: tyro.conf.Positional[tuple[Path, ...]] = (),
    split: Split = "test",
    checkpoint: Checkpoint = "best",
    episodes: PositiveInt = 10,
    data: Path | None = None,
    relocate: bool = False,
    out: Path = Path("runs/analysis.png"),
) -> None:
    """Draws distances and attention of the tokens of trained runs.

    Args:
        runs: Folders made by `python -m align.train` with a transformer, of one world, at least
            one.
        split: Split whose episodes are analysed.
        checkpoint: best: lowest validation error; last: the end of training.
        episodes: Largest number of episodes, spread evenly; 8 moments of every view of each.
        data: Another place of the runs' data, or another data set.
        relocate: Store --data in the runs as the place where their own data set lies now.
        out: The figure, a PNG.
    """
    with command(ValueError):
        require_runs(runs, TrainConfig)
        require_writable(out)
        from align.analyzing import analyze
        from align.report.tokens import draw_analyses

        results = {
            run: analyze(run, split, checkpoint, episodes, data=data, relocate=relocate)
            for run in runs
        }
        labels = {run: TrainConfig.load(run).method for run in runs}
        draw_analyses(results, labels, out)
        print(f"figure: {out}")
        print(f"next: {command_line('align.report', map(str, runs))}")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parse(run, "python -m align.analyze", arguments)


if __name__ == "__main__":
    main()
