"""Trains and measures methods of action recognition side by side, and writes table and report.

    python -m action.compare --data mocap --protocol CVS1 --test CVS1 CVS2 CVS3
    python -m action.compare --data smarthome --root /data/smarthome --methods baseline paat
    python -m action.compare --data mocap --retrieve data/mocap_smarthome data/mocap_nucla
    python -m action.compare --methods paab --paab.positions 3 --variant third  # beside the others
    python -m action.compare --pretrain-on data/mocap_big --methods baseline paab paat  # Figure 8

All options of `action.train` apply to every run. Finished runs are kept and stopped ones resumed,
so the command can be interrupted and repeated, also with more methods or seeds. The results go into
the folder of the runs: `runs.csv`, `table.md` and `report.html`. Runs that were measured in another
way, for example with other samples of a clip, are measured again.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from action.config import ActionMethod, DataName, Ensemble
from action.grid import ActionGridConfig, run_one, tested_protocols
from action.pretraining import plan_fine_tuning, plan_pretraining, pretrain_one
from action.train import default_options
from align.engine.claim import Claim
from align.engine.jobs import default_jobs, require_success, run_all
from align.engine.run_folder import REPORT_NAME, RunFolder
from datasets.bounds import PositiveInt, Seed
from datasets.command import command, command_line, optional, parse
from datasets.errors import OptionError

if TYPE_CHECKING:
    from action.results import ActionRun

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    with command():
        recipe = vars(default_options(arguments))
    defaults = ActionGridConfig(**recipe | {"out": ActionGridConfig.out})

    def run(
        config: Annotated[ActionGridConfig, tyro.conf.arg(name="")] = defaults,
        methods: tuple[ActionMethod, ...] = ("baseline", "paab", "paat"),
        seeds: tuple[Seed, ...] = (0, 1, 2),
        test: tuple[str, ...] = (),
        retrieve: tuple[Path, ...] = (),
        num_clips: PositiveInt = 1,
        ensemble: Ensemble = "mean",
        variant: str = "",
        pretrain_on: Annotated[Path | None, optional("FOLDER")] = None,
        pretrain_data: DataName = "mocap",
        jobs: PositiveInt = default_jobs(),  # noqa: B008 (the machine's GPUs do not change)
    ) -> None:
        """Trains and measures methods of action recognition side by side.

        Args:
            config: Options that all runs share.
            methods: Methods to compare.
            seeds: Seeds; every method gets one run for each.
            test: Protocols whose test clips to measure on; by default the one trained with.
            retrieve: Folders of other rendered data sets: the test clips of each are searched in
                its training clips.
            num_clips: Samples of each test clip, spread over its time (the paper's 10).
            ensemble: mean of the samples' probabilities, or the published maximum of logits.
            variant: A name for these options, so that runs of a method with other options can stand
                beside these under one `--out`, and in one table.
            pretrain_on: Folder of another data set, on which every method is trained first; each
                is then trained from scratch, from the baseline's backbone with fresh modules,
                and from its own pre-trained weights (Figure 8).
            pretrain_data: Data set in that folder.
            jobs: Runs at a time, which share the cores equally.
        """
        with command(
            ValueError, resume=f"Resume with: {command_line('action.compare', arguments)}"
        ):
            from action.clips import open_data
            from action.results import measured_runs

            protocols = tested_protocols(config, test)
            work = partial(
                run_one,
                protocols=protocols,
                galleries=retrieve,
                num_clips=num_clips,
                ensemble=ensemble,
            )
            measured = partial(measured_runs, config.out, protocols, num_clips, ensemble)
            planned, before = config.plan(methods, seeds, variant), []
            if pretrain_on is not None:
                _require_no_variant(variant)
                before = plan_pretraining(planned, config.out, pretrain_data, pretrain_on)
                open_data(before[0])  # one error, rather than one for each run
                planned = plan_fine_tuning(planned, config.out)
            with Claim(config.out):
                if before:  # others start from these, so all must end well
                    require_success(run_all(before, jobs, lambda: None, pretrain_one))
                outcomes = run_all(
                    planned,
                    jobs,
                    lambda: _tabulate(config.out, measured()),
                    work,
                )
                _finish(config.out, measured(), pretrain_on is not None)
            require_success(outcomes)

    parse(run, "python -m action.compare", arguments)


def _require_no_variant(variant: str) -> None:
    if variant:
        raise OptionError(
            f"--pretrain-on names variants of its own: leave out --variant {variant}, or choose "
            "another --out for these options."
        )


def _tabulate(out: Path, runs: Sequence[ActionRun]) -> None:
    from action.results import write_results

    if runs:
        write_results(out, runs)


def _finish(out: Path, runs: Sequence[ActionRun], pretrained: bool) -> None:
    """Prints the table, writes the report, and names the runs that are in neither."""
    from action.report import write_report
    from action.results import result_rows, table
    from align.results.text import markdown

    if runs:
        header, *lines = table(result_rows(runs))
        print(markdown(header, lines))
        print(f"report: {write_report(runs, out / REPORT_NAME)}")
        if pretrained:
            from action.pretraining_results import write_pretraining

            print(f"pre-training: {', '.join(map(str, write_pretraining(out, runs)))}")
    folders = {run.path for run in RunFolder.all_in(out)}
    if others := sorted(folders - {run.folder for run in runs}):
        logger.warning(
            "left out of the table, because they were measured in another way: %s. Name their "
            "methods and seeds as well.",
            ", ".join(map(str, others)),
        )


if __name__ == "__main__":
    main()
