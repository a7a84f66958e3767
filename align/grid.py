"""A grid of runs: data sets × protocols × seeds × methods, run several at a time.

    <out>/<data>_<protocol>/<method>[_<variant>]_seed<seed>/

Runs that are there already are kept and stopped ones taken up. A run that fails is told and left
out; the others go on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from align.config import Protocol, TrainConfig
from align.engine.jobs import tell
from align.engine.run_folder import run_name
from align.engine.trainer import finished
from align.evaluate import evaluate
from align.methods import Method
from align.plan import RunPlan, for_data, usual_data
from align.results.evaluation import evaluation_path, load_evaluation
from align.sampling import views_a_step
from align.train import default_options, make_trainer
from datasets.errors import DataError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GridConfig(TrainConfig):
    """The options of `align.train`, of which a grid sets some run by run."""

    data: tuple[Path, ...] = ()  # type: ignore[assignment]
    """Folders of episodes; the newest under data/ by default."""
    out: Path = Path("runs")
    """Folder of all runs."""
    # A grid has options of its own for these.
    method: Annotated[Method, tyro.conf.Fixed, tyro.conf.Suppress] = "deit"
    seed: Annotated[int, tyro.conf.Fixed, tyro.conf.Suppress] = 0
    protocol: Annotated[Protocol, tyro.conf.Fixed, tyro.conf.Suppress] = "seen"

    @classmethod
    def defaults(cls, arguments: Sequence[str], out: Path) -> GridConfig:
        """The options of the recipe that a command line names, and a folder for the runs."""
        own: dict[str, Any] = {"data": (), "out": out, "method": "deit", "seed": 0}
        return cls(**_options(default_options(arguments)) | own)

    def of_one_run(self) -> TrainConfig:
        """What all runs have in common."""
        return TrainConfig(**_options(self) | {"data": None, "out": None})

    def data_sets(self, env: Sequence[str]) -> tuple[Path, ...]:
        """The data sets: by folder, and by the names of their environments, data/<env>."""
        named = (Path("data") / name for name in env)
        return (*self.data, *named) or (usual_data(self),)


def _options(config: TrainConfig) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in fields(TrainConfig)}


def plan(
    config: TrainConfig,
    data_sets: Sequence[Path],
    protocols: Sequence[Protocol],
    methods: Sequence[Method],
    seeds: Sequence[int],
    out: Path,
    variant: str = "",
) -> list[TrainConfig]:
    """One configuration a run, in an order that makes an unfinished grid useful.

    First all of the first protocol, with one seed of every method on every data set before any
    gets a second.

    Args:
        config: What all have in common.
        data_sets: Folders of episodes.
        protocols: Which views.
        methods: What to compare.
        seeds: One run of every method each.
        out: Folder of all runs.
        variant: Part of the folders' names, by which runs of a method with other options stand
            beside these; of letters, digits, dots, dashes and underscores.

    Raises:
        ValueError: A variant with other characters.
    """
    if variant and not re.fullmatch(r"[\w.-]+", variant):
        raise ValueError(f"--variant is part of a folder's name, which {variant!r} cannot be")
    named = f"_{variant}" if variant else ""
    return [
        placed(replace(config, method=method), out, data, protocol, method + named, seed)
        for protocol in protocols
        for seed in seeds
        for data in data_sets
        for method in methods
    ]


def placed(
    config: TrainConfig, out: Path, data: Path, protocol: Protocol, name: str, seed: int
) -> TrainConfig:
    """One run of a grid: its data set, protocol and seed, and the folder that they make."""
    folder = group_folder(out, data, protocol) / run_name(name, seed)
    return for_data(replace(config, seed=seed, protocol=protocol, out=folder), data)


def group_folder(out: Path, data: Path, protocol: Protocol) -> Path:
    """Where a grid keeps the runs of one data set and protocol."""
    return out / f"{data.name}_{protocol}"


def check_views(configs: Iterable[TrainConfig]) -> None:
    """Looks, before anything is trained, whether every data set has the views that are asked for.

    Raises:
        DataError: When a protocol does not fit a data set, or what is learned its test.
        ValueError: When a step would draw more views than there are to train on.
    """
    for config in configs:
        views_a_step(config.batch, RunPlan.load(config).views, config.training_data)


def run_one(config: TrainConfig, place: int) -> None:
    """Trains a run to its end unless it is there, and measures it on the test episodes."""
    trainer = make_trainer(config, progress=False, on_step=lambda share: tell(place, share))
    folder = trainer.folder
    if not finished(folder):
        trainer.fit()
    if not _measured(folder, trainer.best_path):
        evaluate(folder, progress=False)
    tell(place, 1.0)


def _measured(folder: Path, checkpoint: Path) -> bool:
    path = evaluation_path(folder, "test")
    if not path.exists() or path.stat().st_mtime < checkpoint.stat().st_mtime:
        return False
    try:
        load_evaluation(folder, "test")
    except DataError as error:  # of another version
        log.info("%s", error)
        return False
    return True
