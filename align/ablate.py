"""Repeats the paper's ablations on alignment: one option varied at a time, several seeds each.

    python -m align.ablate --data data/lift --studies paab-position lambda --seeds 0 1 2
    python -m align.ablate --env lift --studies noise random-map --backbone.depth 4 --epochs 9
    python -m align.ablate --env lift --studies episodes --epochs 1 --epoch-steps 480

All options of `align.train` apply to every run; positions follow the depth of the backbone.
Finished runs are kept and stopped ones resumed, so the command can be interrupted and repeated,
also with more studies or seeds. The plain methods are trained once for all studies. The results go
beside the runs, into `<out>/<data>_<protocol>/`: `<study>.md` and `<study>.csv`, which are updated
whenever a run ends, and `<study>.png`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, get_args

import tyro

from align.comparing.grid import GridConfig, check_views, run_one
from align.config import Protocol
from align.engine.claim import Claim
from align.engine.jobs import default_jobs, require_success, run_all
from align.results.studies import AlignmentStudy
from datasets.bounds import PositiveInt, Seed, require_chosen
from datasets.command import command, command_line, parse


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    with command():
        defaults = GridConfig.defaults(arguments, Path("runs/ablate"))

    def run(
        config: Annotated[GridConfig, tyro.conf.arg(name="")] = defaults,
        env: tuple[str, ...] = (),
        studies: tuple[AlignmentStudy, ...] = get_args(AlignmentStudy),
        seeds: tuple[Seed, ...] = (0, 1, 2),
        protocol: Protocol = "seen",
        jobs: PositiveInt = default_jobs(),  # noqa: B008 (the machine's GPUs do not change)
    ) -> None:
        """Repeats the paper's ablations on alignment, one option varied at a time.

        Args:
            config: Options that all runs share.
            env: Environments whose data sets data/<env> are used, in addition to `--data`.
            studies: Options to vary. paab-position, paat-position: after which blocks (Table 1a);
                paab-variant: over what PAAB attends (Table 1b); paab-blocks: how many (Table 1c);
                paat-target: P3D or P2D (Table 1d); lambda: weight of PAAT's loss (Figure 9);
                bottleneck: PAAT's D_e; random-map: true or random poses (Table 2); noise: pixel
                noise of keypoints (Figure 4); dilation: patches around keypoints that are marked;
                episodes: number of training episodes.
            seeds: Seeds; every variant gets one run for each.
            protocol: seen: test on the views of training; unseen: on ego and the last third-person
                views, which training does not see.
            jobs: Runs at a time, which share the cores equally.
        """
        with command(ValueError, resume=f"Resume with: {command_line('align.ablate', arguments)}"):
            from align.comparing.studying import plan_studies, write_tables
            from align.report.study_figure import publish

            require_chosen(studies=studies, seeds=seeds)
            common, data_sets = config.of_one_run(), config.data_sets(env)
            configs = plan_studies(common, studies, data_sets, protocol, seeds, config.out)
            check_views(configs)
            tabulate = partial(write_tables, common, studies, data_sets, protocol, config.out)
            with Claim(config.out):
                outcomes = run_all(configs, jobs, tabulate, run_one)
                publish(tabulate())
            require_success(outcomes)

    parse(run, "python -m align.ablate", arguments)


if __name__ == "__main__":
    main()
