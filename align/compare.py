"""Trains and measures methods side by side, several seeds each, and writes one table of them.

    python -m align.compare --methods deit paab paat --seeds 0 1 2
    python -m align.compare --env lift can pick minecraft --protocols seen unseen
    python -m align.compare --data data/lift --seeds 0 --epochs 12 --out runs/quick
    python -m align.compare --methods paat --paat.positions -1 --variant last  # beside the others

All options of `align.train` apply to every run. Runs that are there already are kept, stopped ones
taken up, so the command can be interrupted and given again, also with more methods, worlds or
seeds: the table is of all runs under `--out`. Into it go `runs.csv` (one row a run, written anew
whenever one ends), `table.md`, `table.html`, `overview.png`, and a report for each data set and
protocol.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import tyro

from align.config import Protocol
from align.engine.checkpoint import CheckpointError
from align.engine.jobs import Outcome, require_success, run_all
from align.grid import GridConfig, check_views, plan, run_one
from align.methods import PAPER_METHODS, Method
from align.report.grid_page import as_markdown, write_tables
from align.report.overview import write_overview
from align.report.page import REPORT_NAME, write_report
from align.results.tables import RUNS_NAME, measured_runs, result_tables, write_runs
from datasets.command import command_line, interruptible, set_up_logging, user_errors
from datasets.errors import DataError


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    set_up_logging()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    defaults = GridConfig.defaults(arguments, Path("runs/compare"))

    def run(
        config: Annotated[GridConfig, tyro.conf.arg(name="")] = defaults,
        env: tuple[str, ...] = (),
        methods: tuple[Method, ...] = PAPER_METHODS,
        seeds: tuple[int, ...] = (0, 1, 2),
        protocols: tuple[Protocol, ...] = ("seen",),
        variant: str = "",
        jobs: int = 1 if torch.cuda.is_available() else min(4, os.cpu_count() or 1),
    ) -> None:
        """Trains and measures methods side by side and writes one table of them.

        Args:
            config: All that a run depends on, but for what follows.
            env: Data sets by the names of their environments: data/<env>; besides `--data`.
            methods: What to compare.
            seeds: One run of every method each.
            protocols: seen: test on the views of training; unseen: on ego and the last third-person
                views, which training does not see.
            variant: A name for these options, so that runs of a method with others can stand beside
                these under one `--out`, and in one table.
            jobs: Runs at a time, each on its share of the cores.
        """
        with user_errors(DataError, CheckpointError, ValueError):
            data = config.data_sets(env)
            common = config.of_one_run()
            configs = plan(common, data, protocols, methods, seeds, config.out, variant)
            check_views(configs)
            with interruptible(command_line("align.compare", arguments)):
                outcomes = run_all(configs, jobs, lambda: _tabulate(config.out), run_one)
            _finish(config.out, outcomes)

    tyro.cli(run, args=arguments, prog="python -m align.compare")


def _tabulate(out: Path) -> None:
    runs = measured_runs(out)
    write_runs(out / RUNS_NAME, runs)
    write_tables(out, result_tables(runs))


def _finish(out: Path, outcomes: Sequence[Outcome]) -> None:
    """Writes the reports, prints the tables, and exits with 1 when a run failed."""
    tables = result_tables(measured_runs(out))
    print(as_markdown(tables))
    for table in tables:
        report = write_report([run.folder for run in table.runs], table.folder / REPORT_NAME)
        print(f"report: {report}")
    print(f"tables: {write_tables(out, tables)[1]}, {out / RUNS_NAME}")
    if tables:
        print(f"all in one picture: {write_overview(out, tables)}")
    require_success(outcomes)


if __name__ == "__main__":
    main()
