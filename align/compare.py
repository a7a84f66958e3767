"""Trains and measures methods side by side, several seeds each, and writes one table of them.

    python -m align.compare --methods deit paab paat --seeds 0 1 2
    python -m align.compare --env lift can pick minecraft --protocols seen unseen
    python -m align.compare --data data/lift --seeds 0 --epochs 12 --out runs/quick

All options of `align.train` apply to every run. Runs that are there already are kept, stopped ones
taken up, so the command can be interrupted and given again, also with more methods, worlds or
seeds: the table is of all runs under `--out`. Into it go `runs.csv` (one row a run, written anew
whenever one ends), `table.md`, `table.html`, and a report for each data set and protocol.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro

from align.checkpoint import CheckpointError
from align.cli import interruptible, parse_recipe, set_up_logging, user_errors
from align.config import PAPER_METHODS, Method, Protocol, TrainConfig, recipe
from align.grid import Outcome, plan, run_all
from align.protocols import evaluation_views, training_views
from align.report import REPORT_NAME, write_report
from align.result_pages import as_markdown, write_tables
from align.results import RUNS_NAME, measured_runs, result_tables, write_runs
from datasets.errors import DataError
from datasets.find import newest_data_set
from datasets.meta import DatasetMeta


@dataclass(frozen=True)
class GridConfig(TrainConfig):
    """The options of `align.train`, of which a grid sets some run by run."""

    data: tuple[Path, ...] = ()  # type: ignore[assignment]
    """Folders of episodes; the newest under data/ by default."""
    out: Path = Path("runs/compare")
    """Folder of all runs."""
    # `--methods`, `--seeds` and `--protocols` say these.
    method: Annotated[Method, tyro.conf.Fixed, tyro.conf.Suppress] = "deit"
    seed: Annotated[int, tyro.conf.Fixed, tyro.conf.Suppress] = 0
    protocol: Annotated[Protocol, tyro.conf.Fixed, tyro.conf.Suppress] = "seen"

    def of_one_run(self) -> TrainConfig:
        """What all runs have in common."""
        return TrainConfig(**_options(self) | {"data": None, "out": None})


def _options(config: TrainConfig) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in fields(TrainConfig)}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    set_up_logging()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    own = {name: getattr(GridConfig(), name) for name in ("data", "out", "method", "seed")}
    defaults = GridConfig(**_options(recipe(parse_recipe(arguments))) | own)

    def run(
        config: Annotated[GridConfig, tyro.conf.arg(name="")] = defaults,
        env: tuple[str, ...] = (),
        methods: tuple[Method, ...] = PAPER_METHODS,
        seeds: tuple[int, ...] = (0, 1, 2),
        protocols: tuple[Protocol, ...] = ("seen",),
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
            jobs: Runs at a time, each on its share of the cores.
        """
        with user_errors(DataError, CheckpointError, ValueError):
            data = (*config.data, *(Path("data") / name for name in env)) or (newest_data_set(),)
            configs = plan(config.of_one_run(), data, protocols, methods, seeds, config.out)
            for one in configs:
                _check_views(one)
            with interruptible(" ".join(["python -m align.compare", *arguments])):
                outcomes = run_all(configs, jobs, lambda: _tabulate(config.out))
            _finish(config.out, outcomes)

    tyro.cli(run, args=arguments, prog="python -m align.compare")


def _check_views(config: TrainConfig) -> None:
    """Raises before anything is trained when a protocol does not fit a data set."""
    assert config.data is not None
    meta = DatasetMeta.load(config.data)
    training_views(config, meta)
    evaluation_views(config, meta, config.protocol)


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
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    for outcome in failed:
        print(f"failed: {outcome.config.out}: {outcome.error}", file=sys.stderr)
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
