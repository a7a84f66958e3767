"""Writes one self-contained HTML page about a run, or a comparison of runs.

    python -m align.report runs/paab_lift_20260101-120000
    python -m align.report runs/compare_lift/* --episode demo_27 --skeleton
    python -m align.report runs/a runs/b --evaluation test_on_can   # after align.evaluate --data

The page shows what training, `align.evaluate` and, where it has been run, `align.analyze` have
stored, together with the data set's images. Models are loaded only for the methods that have
pictures of their own, disentangle and 3dtrl.
Prints the table as Markdown and the page's path, and writes `summary.csv` beside the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tyro

from align.config import Split, TrainConfig
from align.engine.run_folder import require_runs
from datasets.command import command, parse


def run(
    runs: tyro.conf.Positional[tuple[Path, ...]] = (),
    split: Split = "test",
    out: Path | None = None,
    episode: str | None = None,
    view: str | None = None,
    skeleton: bool = False,
    evaluation: str | None = None,
    data: Path | None = None,
) -> None:
    """Writes one self-contained HTML page about a run, or a comparison of runs.

    Args:
        runs: Folders that `python -m align.evaluate` has measured, at least one.
        split: Split whose evaluations are shown.
        out: The page; by default in the run's folder, or in the folder that several share.
        episode: Episode to show in detail; by default the first of the split.
        view: Third-person view to show with it; by default the first one.
        skeleton: Draw the skeleton on its frames.
        evaluation: Name of another evaluation that `align.evaluate` has stored, instead of the
            split's own: test_on_can for another data set, test_unseen for another protocol.
        data: Where the measured data set lies now, whose frames are shown; by default where the
            runs found it.
    """
    with command():
        require_runs(runs, TrainConfig)
        from align.report.page import summary_of, write_report
        from align.results.cells import summary_markdown
        from align.results.runs import load_runs

        path = write_report(runs, out, split, episode, view, skeleton, evaluation, data)
        folders = list(dict.fromkeys(runs))
        print(summary_markdown(summary_of(load_runs(folders, evaluation or split))))
        print(f"\nreport: {path}")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parse(run, "python -m align.report", arguments)


if __name__ == "__main__":
    main()
