"""Repeats the paper's ablations on alignment: one option varied at a time, several seeds each.

    python -m align.ablate --data data/lift --studies paab-position lambda --seeds 0 1 2
    python -m align.ablate --env lift --studies noise random-map --backbone.depth 4 --epochs 9

All options of `align.train` apply to every run; positions follow the depth of the backbone. Runs
that are there already are kept, stopped ones taken up, so the command can be interrupted and given
again, also with more studies or seeds; the plain methods are trained once for all studies. Beside
the runs, in `<out>/<data>_<protocol>/`, go `<study>.md` and `<study>.csv`, written anew whenever a
run ends, and `<study>.png`.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, get_args

import torch
import tyro

from align.config import Protocol, TrainConfig
from align.engine.checkpoint import CheckpointError
from align.engine.jobs import require_success, run_all
from align.grid import GridConfig, check_views, group_folder, placed, run_one
from align.models.backbones import create_timm_backbone
from align.report.study_figure import draw_study
from align.results.runs import Run
from align.results.studies import STUDIES, StudyName, Variant, reference, variants
from align.results.study_tables import Measured, StudyResult, as_markdown, collect, write_study
from align.results.summary import BASELINE
from align.results.tables import measured_runs
from datasets.command import command, command_line, parse
from datasets.storage.meta import DatasetMeta


def depth_of(config: TrainConfig, image_size: int) -> int:
    """Blocks of a configuration's backbone.

    Raises:
        ValueError: A backbone that timm does not have, or of another size.
    """
    if config.backbone.depth is not None:
        return config.backbone.depth
    # Without memory for weights, which nothing here needs.
    with torch.device("meta"):
        size = config.image_size or image_size
        return len(create_timm_backbone(config.backbone.name, size).blocks)


def plan_studies(
    config: TrainConfig,
    studies: Sequence[StudyName],
    data_sets: Sequence[Path],
    protocol: Protocol,
    seeds: Sequence[int],
    out: Path,
) -> list[TrainConfig]:
    """One configuration a run: one seed of everything before any gets a second.

    What several studies share, the plain methods above all, comes once.
    """
    configs = [
        placed(variant.config, out, data, protocol, variant.name, seed)
        for seed in seeds
        for data in data_sets
        for variant in _all_variants(config, studies, data)
    ]
    return list({one.out: one for one in configs}.values())


def _all_variants(config: TrainConfig, studies: Sequence[StudyName], data: Path) -> list[Variant]:
    depth = depth_of(config, DatasetMeta.load(data).image_size)
    of_studies = [v for name in studies for v in variants(STUDIES[name], config, depth)]
    return [reference(config, BASELINE), *of_studies]


def results(
    config: TrainConfig, studies: Sequence[StudyName], data: Path, protocol: Protocol, out: Path
) -> dict[StudyName, StudyResult]:
    """What each study has measured on a data set; studies without any run are left out."""
    folder = group_folder(out, data, protocol)
    runs = [measured(run) for run in measured_runs(out) if run.folder.parent == folder]
    meta = DatasetMeta.load(data)
    depth = depth_of(config, meta.image_size)
    found = {}
    for name in studies:
        points = [collect(variant, runs) for variant in variants(STUDIES[name], config, depth)]
        if known := [point for point in points if point.runs]:
            baseline = collect(reference(config, BASELINE), runs)
            world = f"{meta.env}, {protocol} views, {depth} blocks"
            found[name] = StudyResult(STUDIES[name], world, "alignment error", baseline, known)
    return found


def write_tables(
    config: TrainConfig,
    studies: Sequence[StudyName],
    data_sets: Sequence[Path],
    protocol: Protocol,
    out: Path,
) -> dict[Path, StudyResult]:
    """Writes what has been measured so far; the Markdown table of each study on each data set."""
    return {
        write_study(group_folder(out, data, protocol), name, result): result
        for data in data_sets
        for name, result in results(config, studies, data, protocol, out).items()
    }


def measured(run: Run) -> Measured:
    """The errors of a run on validation and test episodes."""
    valid = [row[name] for row in run.history if (name := "valid/alignment_error") in row]
    collapse = run.evaluation.collapse
    return Measured(
        run.folder,
        run.config.seed,
        min(valid, default=math.nan),
        run.evaluation.metrics["alignment_error"],
        collapse is not None and bool(collapse.message),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    defaults = GridConfig.defaults(arguments, Path("runs/ablate"))

    def run(
        config: Annotated[GridConfig, tyro.conf.arg(name="")] = defaults,
        env: tuple[str, ...] = (),
        studies: tuple[StudyName, ...] = get_args(StudyName),
        seeds: tuple[int, ...] = (0, 1, 2),
        protocol: Protocol = "seen",
        jobs: int = 1 if torch.cuda.is_available() else min(4, os.cpu_count() or 1),
    ) -> None:
        """Repeats the paper's ablations on alignment, one option varied at a time.

        Args:
            config: All that a run depends on, but for what follows and what a study varies.
            env: Data sets by the names of their environments: data/<env>; besides `--data`.
            studies: What to vary. paab-position, paat-position: after which blocks (Table 1a);
                paab-variant: over what PAAB attends (Table 1b); paab-blocks: how many (Table 1c);
                paat-target: P3D or P2D (Table 1d); lambda: weight of PAAT's loss (Figure 9);
                bottleneck: PAAT's D_e; random-map: true or random poses (Table 2); noise: pixels
                that keypoints are off (Figure 4); dilation: patches around them that count.
            seeds: One run of every variant each.
            protocol: seen: test on the views of training; unseen: on ego and the last third-person
                views, which training does not see.
            jobs: Runs at a time, each on its share of the cores.
        """
        resume = f"Resume with: {command_line('align.ablate', arguments)}"
        with command(CheckpointError, ValueError, resume=resume):
            common, data_sets = config.of_one_run(), config.data_sets(env)
            configs = plan_studies(common, studies, data_sets, protocol, seeds, config.out)
            check_views(configs)
            tabulate = partial(write_tables, common, studies, data_sets, protocol, config.out)
            outcomes = run_all(configs, jobs, tabulate, run_one)
            for table, result in tabulate().items():
                draw_study(result, table.with_suffix(".png"))
                print(as_markdown(result))
                print(f"\nfigure: {table.with_suffix('.png')}; table: {table}\n")
            require_success(outcomes)

    parse(run, "python -m align.ablate", arguments)


if __name__ == "__main__":
    main()
