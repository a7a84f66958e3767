"""Repeats the paper's ablations on recognition: one option varied at a time, several seeds each.

    python -m action.ablate --studies paab-position paab-variant paat-target  # Table 1
    python -m action.ablate --studies random-map noise lambda --protocol CVS1 --test CVS1 CVS3

All options of `action.train` apply to every run; positions follow the depth of the backbone.
Finished runs are kept and stopped ones resumed, so the command can be interrupted and repeated,
also with more studies or seeds. The baseline, PAAB and PAAT are trained once for all studies. The
results go beside the runs, into `<out>/<data>_<protocol>/`: `<study>_<tested protocol>.md` and
`.csv`, which are updated whenever a run ends, and `.png`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, get_args

import tyro

from action.comparing.grid import ActionGridConfig, require_learnable, run_one, tested_protocols
from action.config import Ensemble
from action.train import default_options
from align.engine.claim import Claim
from align.engine.jobs import default_jobs, require_success, run_all
from align.results.studies import StudyName
from datasets.bounds import PositiveInt, Seed, require_chosen
from datasets.command import command, command_line, parse


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    with command():
        recipe = vars(default_options(arguments))
    defaults = ActionGridConfig(**recipe | {"out": Path("runs/ablate_action")})

    def run(
        config: Annotated[ActionGridConfig, tyro.conf.arg(name="")] = defaults,
        studies: tuple[StudyName, ...] = get_args(StudyName),
        seeds: tuple[Seed, ...] = (0, 1, 2),
        test: tuple[str, ...] = (),
        num_clips: PositiveInt = 1,
        ensemble: Ensemble = "mean",
        jobs: PositiveInt = default_jobs(),  # noqa: B008 (the machine's GPUs do not change)
    ) -> None:
        """Repeats the paper's ablations on recognition, one option varied at a time.

        Args:
            config: Options that all runs share.
            studies: Options to vary. paab-position, paat-position: after which blocks (Table 1a);
                paab-variant: over what PAAB attends (Table 1b); paab-blocks: how many (Table 1c);
                paat-target: P3D or P2D (Table 1d); lambda: weight of PAAT's loss (Figure 9);
                bottleneck: PAAT's D_e; random-map: true or random poses (Table 2); noise: pixel
                noise of keypoints (Figure 4); dilation: patches around keypoints that are marked.
            seeds: Seeds; every variant gets one run for each.
            test: Protocols whose test clips to measure on; by default the one trained with.
            num_clips: Samples of each test clip, spread over its time (the paper's 10).
            ensemble: mean of the samples' probabilities, or the published maximum of logits.
            jobs: Runs at a time, which share the cores equally.
        """
        with command(ValueError, resume=f"Resume with: {command_line('action.ablate', arguments)}"):
            from action.comparing.studying import group_folder, plan_studies, write_tables
            from action.inputs.clips import open_data
            from align.report.study_figure import publish

            require_chosen(studies=studies, seeds=seeds)
            common, data = config.of_one_run(), open_data(config)
            protocols, folder = (
                tested_protocols(config, test),
                group_folder(config.out, config, data),
            )
            planned = plan_studies(common, studies, seeds, folder)
            require_learnable(planned)
            work = partial(
                run_one,
                protocols=protocols,
                galleries=(),
                num_clips=num_clips,
                ensemble=ensemble,
            )
            tabulate = partial(
                write_tables, common, studies, data, protocols, folder, num_clips, ensemble
            )
            with Claim(config.out):
                outcomes = run_all(planned, jobs, tabulate, work)
                publish(tabulate())
            require_success(outcomes)

    parse(run, "python -m action.ablate", arguments)


if __name__ == "__main__":
    main()
