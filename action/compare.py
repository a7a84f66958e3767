"""Trains and measures methods of action recognition side by side, and writes table and report.

    python -m action.compare --data mocap --protocol CVS1 --test CVS1 CVS2 CVS3
    python -m action.compare --data smarthome --root /data/smarthome --methods baseline paat
    python -m action.compare --data mocap --retrieve data/mocap_smarthome data/mocap_nucla

All options of `action.train` apply to every run. Runs that are there already are kept, stopped
ones taken up, so the command can be interrupted and given again, also with more methods or seeds.
Into the folder go `runs.csv`, `table.md` and `report.html`. Runs that were measured otherwise, with
other samples of a clip for example, are measured again.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import tyro

from action.clips import open_data
from action.config import ActionConfig, ActionMethod
from action.evaluate import evaluate
from action.evaluation import Ensemble, evaluation_path, find_evaluation
from action.features import ClipSource
from action.report import REPORT_NAME, write_report
from action.results import ActionRun, measured_runs, result_rows, table, write_results
from action.retrieve import search
from action.train import default_options, make_trainer
from align.engine.checkpoint import CheckpointError
from align.engine.jobs import require_success, run_all, tell
from align.engine.run_folder import CONFIG_NAME, run_name
from align.engine.trainer import finished
from align.results.text import markdown
from datasets.command import command_line, interruptible, set_up_logging, user_errors
from datasets.errors import DataError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ActionGridConfig(ActionConfig):
    """The options of `action.train`, of which the comparison sets some run by run."""

    out: Path = Path("runs/compare_action")  # type: ignore[assignment]
    """Folder of all runs."""
    # `--methods` and `--seeds` say these.
    method: Annotated[ActionMethod, tyro.conf.Fixed, tyro.conf.Suppress] = "baseline"
    seed: Annotated[int, tyro.conf.Fixed, tyro.conf.Suppress] = 0

    def plan(self, methods: Sequence[ActionMethod], seeds: Sequence[int]) -> list[ActionConfig]:
        """One configuration a run, with one seed of every method before any gets a second."""
        common = {name: value for name, value in vars(self).items() if name != "out"}
        return [
            ActionConfig(
                **common
                | {
                    "method": method,
                    "seed": seed,
                    "out": self.out / run_name(method, seed),
                }
            )
            for seed in seeds
            for method in methods
        ]


def run_one(
    config: ActionConfig,
    place: int,
    protocols: Sequence[str],
    galleries: Sequence[Path],
    num_clips: int,
    ensemble: Ensemble,
) -> None:
    """Trains a run to its end unless it is there, measures it, and retrieves across data sets."""
    trainer = make_trainer(config, progress=False, on_step=lambda share: tell(place, share))
    folder = trainer.folder
    if not finished(folder):
        trainer.fit()
    for protocol in protocols:
        if not _measured(folder, trainer.best_path, protocol, num_clips, ensemble):
            evaluate(
                folder, "test", protocol, num_clips=num_clips, ensemble=ensemble, progress=False
            )
    for gallery in galleries:
        asked, searched = ClipSource("test", root=gallery), ClipSource("train", root=gallery)
        search(folder, asked, searched, progress=False)
    tell(place, 1.0)


def _measured(
    folder: Path, checkpoint: Path, protocol: str, num_clips: int, ensemble: Ensemble
) -> bool:
    """Whether these weights of a run were measured, and like this."""
    if find_evaluation(folder, protocol, num_clips, ensemble) is None:
        return False
    measured = evaluation_path(folder, protocol, "test")
    return measured.stat().st_mtime >= checkpoint.stat().st_mtime


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    set_up_logging()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    recipe = vars(default_options(arguments))
    defaults = ActionGridConfig(**recipe | {"out": ActionGridConfig.out})

    def run(
        config: Annotated[ActionGridConfig, tyro.conf.arg(name="")] = defaults,
        methods: tuple[ActionMethod, ...] = ("baseline", "paab", "paat"),
        seeds: tuple[int, ...] = (0, 1, 2),
        test: tuple[str, ...] = (),
        retrieve: tuple[Path, ...] = (),
        num_clips: int = 1,
        ensemble: Ensemble = "mean",
        jobs: int = 1 if torch.cuda.is_available() else min(4, os.cpu_count() or 1),
    ) -> None:
        """Trains and measures methods of action recognition side by side.

        Args:
            config: All that a run depends on, but for what follows.
            methods: What to compare.
            seeds: One run of every method each.
            test: Protocols whose test clips to measure on; the one trained by if none is named.
            retrieve: Folders of other rendered sets: the test clips of each are sought among its
                training clips.
            num_clips: Samples of each test clip, spread over its time (the paper's 10).
            ensemble: mean of the samples' probabilities, or the published maximum of logits.
            jobs: Runs at a time, each on its share of the cores.
        """
        with user_errors(DataError, CheckpointError, ValueError):
            protocols = tuple(open_data(replace(config, protocol=p)).protocol for p in test)
            protocols = protocols or (open_data(config).protocol,)
            work = partial(
                run_one,
                protocols=protocols,
                galleries=retrieve,
                num_clips=num_clips,
                ensemble=ensemble,
            )
            measured = partial(measured_runs, config.out, protocols, num_clips, ensemble)
            with interruptible(command_line("action.compare", arguments)):
                outcomes = run_all(
                    config.plan(methods, seeds),
                    jobs,
                    lambda: _tabulate(config.out, measured()),
                    work,
                )
            if runs := measured():
                header, *lines = table(result_rows(runs))
                print(markdown(header, lines))
                print(f"report: {write_report(runs, config.out / REPORT_NAME)}")
            _tell_left_out(config.out, runs)
            require_success(outcomes)

    tyro.cli(run, args=arguments, prog="python -m action.compare")


def _tabulate(out: Path, runs: Sequence[ActionRun]) -> None:
    if runs:
        write_results(out, runs)


def _tell_left_out(out: Path, runs: Sequence[ActionRun]) -> None:
    folders = {path.parent for path in out.glob(f"*/{CONFIG_NAME}")}
    if others := sorted(folders - {run.folder for run in runs}):
        logger.warning(
            "left out of the table, since not measured like the others: %s; name their methods and "
            "seeds as well.",
            ", ".join(map(str, others)),
        )


if __name__ == "__main__":
    main()
