"""Shared by benchmarks that train: short trainings by the small recipe, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from align.config import recipe
from align.engine.config import Precision
from align.engine.trainer import Trainer
from align.train import make_trainer


@dataclass(frozen=True)
class Short:
    """How long and on what to train.

    Attributes:
        data: Folder of episodes.
        seeds: Each trains everything once.
        steps: Of each training; the learning rate falls over them.
        views: Views a step, of two episodes.
        moments: Moments of each view.
        precision: bf16 pays on a CPU only where `lscpu` lists avx512_bf16 or amx_bf16.
    """

    data: Path = Path("data/lift")
    seeds: tuple[int, ...] = (0, 1)
    steps: int = 240
    views: int = 5
    moments: int = 8
    precision: Precision = "auto"

    @property
    def images(self) -> int:
        """Images of a step."""
        return 2 * self.views * self.moments


def make(options: Short, seed: int, out: Path, changes: Mapping[str, Any]) -> Trainer:
    """A training that is ready for its first step; `changes` are options of `align.train`."""
    config = recipe("small")
    config = replace(
        config,
        data=options.data,
        out=out,
        seed=seed,
        precision=options.precision,
        batch=replace(config.batch, views=options.views, times=options.moments),
        **changes,
    )
    trainer = make_trainer(config, progress=False)
    trainer.total_steps = options.steps
    trainer.model.train()
    return trainer


@torch.no_grad()
def validation_error(trainer: Trainer) -> float:
    """Alignment error of the validation episodes."""
    trainer.model.eval()
    return trainer.task.validate()["alignment_error"]
