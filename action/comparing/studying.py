"""The runs of ablations of recognition: which are planned, and the results of those measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from action.config import ActionConfig, Ensemble
from action.evaluation import own_metric
from action.inputs.clips import ActionData, data_root
from action.results import BASELINE, TITLES, ActionRun, chance, measured_runs
from align.engine.jobs import require_some
from align.engine.run_folder import run_name
from align.models.config import PaabVariant
from align.results.studies import STUDIES as SHARED
from align.results.studies import Study, StudyName, all_variants
from align.results.study_tables import (
    Measure,
    Measured,
    StudyResult,
    study_results,
    write_study,
)
from datasets.errors import OptionError

# On clips, joint attention is another than that within each frame.
STUDIES: Mapping[StudyName, Study] = {
    **SHARED,
    "paab-variant": replace(SHARED["paab-variant"], values=get_args(PaabVariant)),
}


def group_folder(out: Path, config: ActionConfig, data: ActionData) -> Path:
    """The folder of the runs on one data set and protocol."""
    return out / f"{data_root(config).resolve().name}_{data.protocol}"


def plan_studies(
    config: ActionConfig, studies: Iterable[StudyName], seeds: Sequence[int], folder: Path
) -> list[ActionConfig]:
    """One configuration for each run, with one seed of everything before any second seed.

    Args:
        config: Options that all runs share.
        studies: Options to vary.
        seeds: Seeds; every variant gets one run for each.
        folder: Folder of all runs.

    Raises:
        OptionError: When the network takes neither PAAB nor PAAT, or there are no studies or seeds.
    """
    if not config.is_transformer:
        raise OptionError(
            f"the studies vary PAAB and PAAT, which {config.model} cannot take: use --model "
            "timesformer or motionformer."
        )
    chosen = [STUDIES[name] for name in dict.fromkeys(studies)]
    found = all_variants(chosen, config, BASELINE, config.backbone.depth)
    configs = [
        replace(variant.config, seed=seed, out=folder / run_name(variant.name, seed))
        for seed in dict.fromkeys(seeds)
        for variant in found
    ]
    require_some(configs if chosen else ())
    return configs


def write_tables(
    config: ActionConfig,
    studies: Iterable[StudyName],
    data: ActionData,
    protocols: Sequence[str],
    folder: Path,
    num_clips: int,
    ensemble: Ensemble,
) -> dict[Path, StudyResult]:
    """Writes the results so far, and returns the table of each study under each protocol.

    Args:
        config: Options that all runs share.
        studies: Options that are varied.
        data: The clips that the runs learn from.
        protocols: Protocols whose test clips were measured.
        folder: Folder of all runs.
        num_clips: Samples of each test clip; runs measured with another number are left out.
        ensemble: How scores of samples are combined; runs measured otherwise are left out.

    Returns:
        Path of the Markdown table to its result.
    """
    runs = measured_runs(folder, protocols, num_clips, ensemble)
    named, depth = {name: STUDIES[name] for name in studies}, config.backbone.depth
    metric = own_metric(data.clip_set.name)
    tables = {}
    for protocol in protocols if runs else ():
        world = f"{folder.name}, tested on {protocol}, {depth} blocks"
        classes = len(runs[0].evaluations[protocol].recall)
        measure = Measure(f"{TITLES[metric]} in percent", chance(metric, classes), "clips", 1)
        own = [measured(run, protocol, metric, measure.chance) for run in runs]
        found = study_results(named, config, BASELINE, depth, own, world, measure)
        for name, result in found.items():
            tables[write_study(folder, f"{name}_{protocol}", result)] = result
    return tables


def measured(run: ActionRun, protocol: str, metric: str, chance: float) -> Measured:
    """A metric of a run in percent: of its best epoch on validation clips, and on test clips."""
    # A run is measured with the weights of the epoch that has the lowest class error.
    rows = [row for row in run.history if "valid/class_error" in row]
    best = min(rows, key=lambda row: row["valid/class_error"], default={})
    test = 100 * run.evaluations[protocol].metrics[metric]
    valid = 100 * best.get(f"valid/{metric}", math.nan)
    return Measured(run.folder, run.config.seed, valid, test, test <= chance)
