"""Writes one self-contained HTML page about a run, or that compares runs.

    python -m align.report runs/paab_lift_20260101-120000
    python -m align.report runs/compare_lift/* --episode demo_27 --skeleton
    python -m align.report runs/a runs/b --evaluation test_on_can   # after align.evaluate --data

Draws on what training, `align.evaluate` and, where it has been run, `align.analyze` stored, and on
the data set's images; models are loaded only of the methods that have pictures of their own,
disentangle and 3dtrl.
Prints the table as Markdown and writes it as `summary.csv` beside the page.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import tyro

from align.engine.checkpoint import CheckpointError
from align.evaluate import Split
from align.report.page import summary_of, write_report
from align.results.runs import load_runs
from align.results.summary import markdown_table
from datasets.command import command, parse

log = logging.getLogger(__name__)


def run(
    runs: tyro.conf.Positional[tuple[Path, ...]],
    split: Split = "test",
    out: Path | None = None,
    episode: str | None = None,
    view: str | None = None,
    skeleton: bool = False,
    evaluation: str | None = None,
) -> None:
    """Writes one self-contained HTML page about a run, or that compares runs.

    Args:
        runs: Folders that `python -m align.evaluate` has measured.
        split: Which measurements.
        out: The page; by default in the run's folder, or in the folder that several share.
        episode: Shown in detail; the first of the split by default.
        view: The third-person view shown with it; the first one by default.
        skeleton: Draw the skeleton on its frames.
        evaluation: Instead of a split's own measurements, those that `align.evaluate` stored under
            this name: test_on_can of another data set, test_unseen of another protocol.
    """
    with command(CheckpointError):
        path = write_report(runs, out, split, episode, view, skeleton, evaluation)
        folders = list(dict.fromkeys(runs))
        print(markdown_table(summary_of(load_runs(folders, evaluation or split))))
        log.info("report: %s", path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parse(run, "python -m align.report", arguments)


if __name__ == "__main__":
    main()
