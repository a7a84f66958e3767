"""The runs of ablations: which are planned, and the results of those that have been measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from align.comparing.grid import group_folder, placed
from align.config import Protocol, TrainConfig
from align.models.backbones import create_timm_backbone
from align.results.chance import RANDOM_ERROR
from align.results.runs import Run
from align.results.studies import STUDIES, AlignmentStudy, Study, Variant, all_variants
from align.results.study_tables import (
    Measure,
    Measured,
    StudyResult,
    study_results,
    write_study,
)
from align.results.summary import BASELINE
from align.results.tables import measured_runs
from datasets.episodes import EpisodeDataset
from datasets.storage.meta import DatasetMeta

EPISODES = Study(
    "How many episodes to train on",
    "train_episodes",
    ("deit", "paab", "paat", "late"),
    (10, 30, 100, None),
    "training episodes",
    "not in the paper",
    {None: "all"},
)

MEASURE = Measure("alignment error", RANDOM_ERROR, "episodes", lower_is_better=True)


def depth_of(config: TrainConfig, image_size: int) -> int:
    """Number of blocks of a configuration's backbone.

    Args:
        config: The configuration.
        image_size: Side in pixels of the data set's frames.

    Raises:
        ValueError: When timm has no such backbone, or none of that image size.
    """
    if config.backbone.depth is not None:
        return config.backbone.depth
    # On the meta device the weights take no memory; only their number is needed.
    with torch.device("meta"):
        size = config.image_size or image_size
        return len(create_timm_backbone(config.backbone.name, size).blocks)


def plan_studies(
    config: TrainConfig,
    studies: Sequence[AlignmentStudy],
    data_sets: Sequence[Path],
    protocol: Protocol,
    seeds: Sequence[int],
    out: Path,
) -> list[TrainConfig]:
    """One configuration for each run, with one seed of everything before any second seed.

    Runs that several studies share, such as the plain methods, come once.
    """
    configs = [
        placed(variant.config, out, data, protocol, variant.name, seed, data_sets)
        for seed in seeds
        for data in data_sets
        for variant in _variants(config, studies, data)
    ]
    return list({one.out: one for one in configs}.values())


def _variants(config: TrainConfig, studies: Sequence[AlignmentStudy], data: Path) -> list[Variant]:
    depth = depth_of(config, DatasetMeta.load(data).image_size)
    found = studies_of(config, studies, data)
    return all_variants(found.values(), config, BASELINE, depth)


def studies_of(
    config: TrainConfig, studies: Sequence[AlignmentStudy], data: Path
) -> dict[AlignmentStudy, Study]:
    """The studies as they are on a data set: numbers of training episodes end with all it has."""
    return {
        name: _episodes(config, data) if name == "episodes" else STUDIES[name] for name in studies
    }


def _episodes(config: TrainConfig, data: Path) -> Study:
    root = replace(config, data=data).training_data
    most = config.train_episodes or len(EpisodeDataset(root, "train"))
    fewer = [n for n in EPISODES.values_for(0) if n is not None and n < most]
    values = (*fewer, config.train_episodes)
    return replace(EPISODES, values=values, names={None: str(most)})


def results(
    config: TrainConfig,
    studies: Sequence[AlignmentStudy],
    data: Path,
    protocol: Protocol,
    runs: Sequence[Measured],
) -> dict[AlignmentStudy, StudyResult]:
    """The result of each study on a data set; studies without any run are left out."""
    meta = DatasetMeta.load(data)
    depth = depth_of(config, meta.image_size)
    named = studies_of(config, studies, data)
    world = f"{meta.env}, {protocol} views, {depth} blocks"
    return study_results(named, config, BASELINE, depth, runs, world, MEASURE)


def write_tables(
    config: TrainConfig,
    studies: Sequence[AlignmentStudy],
    data_sets: Sequence[Path],
    protocol: Protocol,
    out: Path,
) -> dict[Path, StudyResult]:
    """Writes the results so far, and returns the table of each study on each data set.

    Returns:
        Path of the Markdown table to its result.
    """
    found = measured_runs(out)
    tables = {}
    for data in data_sets:
        folder = group_folder(out, data, protocol, data_sets)
        runs = [measured(run) for run in found if run.folder.parent == folder]
        for name, result in results(config, studies, data, protocol, runs).items():
            tables[write_study(folder, name, result)] = result
    return tables


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
