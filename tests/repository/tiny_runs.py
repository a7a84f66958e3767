"""Runs of each package that train in a second and use every source of randomness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import action.train
import align.train
from action.config import ActionConfig, ClipBatchConfig, TimeSformerConfig
from align.config import BackboneConfig, TrainConfig
from align.engine.config import OptimConfig
from align.engine.trainer import Trainer
from align.inputs.data import BatchConfig
from tests.action.conftest import write_squares
from tests.datasets.synthetic import make_data_set

TinyConfig = TrainConfig | ActionConfig


def align_run(root: Path, **options: Any) -> TrainConfig:
    """Alignment with PAAB, PAAT and drop path; its data and its run lie under `root`."""
    data = make_data_set(root / "dots", episodes=4, views=1, size=32, steps=12)
    config = TrainConfig(
        method="paab+paat",
        data=data,
        out=root / "run",
        epochs=3,
        backbone=BackboneConfig(depth=2, drop_path=0.2),
        batch=BatchConfig(episodes=2, times=8),
        optim=OptimConfig(lr=3e-3),
    )
    return replace(config, **options)


def action_run(root: Path, **options: Any) -> ActionConfig:
    """Recognition with PAAB, PAAT and drop path; its data and its run lie under `root`."""
    small = dict(image_size=32, patch_size=8, frames=4, stride=8, dim=32, depth=2, heads=2)
    config = ActionConfig(
        method="paab+paat",
        data="mocap",
        root=write_squares(root / "squares", replications=1),
        out=root / "run",
        epochs=3,
        valid_share=0.2,
        backbone=TimeSformerConfig(**small, drop_path=0.2),
        batch=ClipBatchConfig(clips=4),
        optim=OptimConfig(lr=3e-3),
    )
    return replace(config, **options)


RUNS: dict[str, Callable[..., TinyConfig]] = {"align": align_run, "action": action_run}


def trainer_of(config: TinyConfig) -> Trainer:
    """The trainer that a configuration's own package makes."""
    package = action.train if isinstance(config, ActionConfig) else align.train
    return package.make_trainer(config, progress=False)
