"""Trains and measures methods side by side, several seeds each, and writes one table of them.

    python -m align.compare --methods deit paab paat --seeds 0 1 2
    python -m align.compare --env lift can pick minecraft --protocols seen unseen
    python -m align.compare --data data/lift --seeds 0 --epochs 12 --out runs/quick
    python -m align.compare --methods paat --paat.positions -1 --variant last  # beside the others

All options of `align.train` apply to every run. Finished runs are kept and stopped ones resumed, so
the command can be interrupted and repeated, also with more methods, worlds or seeds: the table has
all runs under `--out`. The results go into that folder: `runs.csv` and
`episodes.csv` (one row for each run, and for each of its test episodes, updated whenever one ends),
`table.md`, `table.html`, `overview.png`, `cost.png` (where trainings counted their processor time),
and a report for each data set and protocol.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from align.comparing.grid import GridConfig, check_views, plan, run_one
from align.config import Protocol
from align.engine.claim import Claim
from align.engine.jobs import Outcome, default_jobs, require_success, run_all
from align.engine.run_folder import REPORT_NAME
from align.methods import PAPER_METHODS, Method
from datasets.bounds import PositiveInt, Seed, require_chosen
from datasets.command import command, command_line, parse


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    with command():
        defaults = GridConfig.defaults(arguments, Path("runs/compare"))

    def run(
        config: Annotated[GridConfig, tyro.conf.arg(name="")] = defaults,
        env: tuple[str, ...] = (),
        methods: tuple[Method, ...] = PAPER_METHODS,
        seeds: tuple[Seed, ...] = (0, 1, 2),
        protocols: tuple[Protocol, ...] = ("seen",),
        variant: str = "",
        jobs: PositiveInt = default_jobs(),  # noqa: B008 (the machine's GPUs do not change)
    ) -> None:
        """Trains and measures methods side by side and writes one table of them.

        Args:
            config: Options that all runs share.
            env: Environments whose data sets data/<env> are used, in addition to `--data`.
            methods: Methods to compare.
            seeds: Seeds; every method gets one run for each.
            protocols: seen: test on the views of training; unseen: on ego and the last third-person
                views, which training does not see.
            variant: A name for these options, so that runs of a method with other options can stand
                beside these under one `--out`, and in one table.
            jobs: Runs at a time, which share the cores equally.
        """
        with command(ValueError, resume=f"Resume with: {command_line('align.compare', arguments)}"):
            require_chosen(methods=methods, seeds=seeds, protocols=protocols)
            data = config.data_sets(env)
            common = config.of_one_run()
            configs = plan(common, data, protocols, methods, seeds, config.out, variant)
            check_views(configs)
            with Claim(config.out):
                _finish(config.out, run_all(configs, jobs, partial(_tabulate, config.out), run_one))

    parse(run, "python -m align.compare", arguments)


def _tabulate(out: Path) -> None:
    from align.report.grid_page import write_tables
    from align.results.tables import (
        EPISODES_NAME,
        RUNS_NAME,
        measured_runs,
        result_tables,
        write_episodes,
        write_runs,
    )

    runs = measured_runs(out)
    write_runs(out / RUNS_NAME, runs)
    write_episodes(out / EPISODES_NAME, runs)
    write_tables(out, result_tables(runs))


def _finish(out: Path, outcomes: Sequence[Outcome]) -> None:
    """Writes the reports, prints the tables, and exits with 1 when a run failed."""
    from align.report.cost import write_cost
    from align.report.grid_page import as_markdown, write_tables
    from align.report.overview import write_overview
    from align.report.page import write_report
    from align.results.tables import RUNS_NAME, measured_runs, result_tables

    tables = result_tables(measured_runs(out))
    print(as_markdown(tables))
    for table in tables:
        report = write_report([run.folder for run in table.runs], table.folder / REPORT_NAME)
        print(f"report: {report}")
    print(f"tables: {write_tables(out, tables)[1]}, {out / RUNS_NAME}")
    if tables:
        print(f"all in one picture: {write_overview(out, tables)}")
        if (cost := write_cost(out, tables)) is not None:
            print(f"errors by processor time: {cost}")
    require_success(outcomes)


if __name__ == "__main__":
    main()
