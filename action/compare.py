"""Trains and measures methods of action recognition side by side, and writes table and report.

    python -m action.compare --data mocap --protocol CVS1 --test CVS1 CVS2 CVS3
    python -m action.compare --data smarthome --root /data/smarthome --methods baseline paat
    python -m action.compare --data nucla --root N-UCLA --protocols CS CV1 CV2 CV3
    python -m action.compare --data mocap --retrieve data/mocap_smarthome data/mocap_nucla
    python -m action.compare --methods paab --paab.positions 3 --variant third  # beside the others
    python -m action.compare --pretrain-on data/mocap_big --methods baseline paab paat  # Figure 8

All options of `action.train` apply to every run. Finished runs are kept and stopped ones resumed,
so the command can be interrupted and repeated, also with more methods or seeds. The results go into
the folder of the runs: `runs.csv`, `table.md` and `report.html`; with `--protocols` into one folder
for each, and `protocols.md` has them all. Runs that were measured in another way, for example with
other samples of a clip, are measured again. `controls.csv` holds what the clips give away without a
picture of the person.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from action.comparing.grid import ActionGridConfig, require_learnable, run_one
from action.comparing.pretraining import plan_fine_tuning, plan_pretraining, pretrain_one
from action.config import ActionMethod, DataName, Ensemble
from action.train import default_options
from align.engine.claim import Claim
from align.engine.jobs import default_jobs, require_success, run_all
from datasets.bounds import PositiveInt, Seed, require_chosen
from datasets.command import command, command_line, optional, parse
from datasets.errors import OptionError


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
        protocols: tuple[str, ...] = (),
        test: tuple[str, ...] = (),
        controls: bool = True,
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
            protocols: Protocols to train for, one run of each method and seed for each, such as
                N-UCLA's CS CV1 CV2 CV3; CV stands for its three parts. The table has their mean.
            test: Protocols whose test clips to measure on; by default the one trained with.
            controls: Also measure what the clips give away without a picture of the person.
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
            from action.comparing.comparison import Comparison
            from action.comparing.protocols import groups_of
            from action.inputs.clips import open_data, open_other_data

            require_chosen(methods=methods, seeds=seeds)
            _require_no_grids(pretrain_on is not None, variant, protocols)
            how = (num_clips, ensemble)
            comparison = Comparison(config.out, groups_of(config, protocols, test), *how)
            planned, before = comparison.plan(methods, seeds, variant), []
            require_learnable(planned)
            if pretrain_on is not None:
                before = plan_pretraining(planned, config.out, pretrain_data, pretrain_on)
                open_data(before[0])  # one error, rather than one for each run
                planned = plan_fine_tuning(planned, config.out)
            for folder in retrieve:  # an error now, rather than after the first training
                open_other_data(config, None, folder, None)
            work = partial(
                run_one,
                protocols=comparison.tested,
                galleries=retrieve,
                num_clips=num_clips,
                ensemble=ensemble,
            )
            with Claim(config.out):
                found = comparison.controls() if controls else {}
                if before:  # others start from these, so all must end well
                    require_success(run_all(before, jobs, lambda: None, pretrain_one))
                outcomes = run_all(planned, jobs, lambda: comparison.tabulate(found), work)
                comparison.finish(found, pretrain_on is not None)
            require_success(outcomes)

    parse(run, "python -m action.compare", arguments)


def _require_no_grids(pretrains: bool, variant: str, protocols: Sequence[str]) -> None:
    if pretrains and variant:
        raise OptionError(
            f"--pretrain-on names variants of its own: leave out --variant {variant}, or choose "
            "another --out for these options."
        )
    if pretrains and protocols:
        raise OptionError(
            "--pretrain-on compares starts under one protocol: leave out --protocols, and repeat "
            "the command with each --protocol and an --out of its own."
        )


if __name__ == "__main__":
    main()
