"""The options of a run that the training loop reads; importing them imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from datasets.bounds import (
    NaturalInt,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Share,
    ShareBelowOne,
)

Precision = Literal["auto", "fp32", "bf16"]


@dataclass(frozen=True)
class OptimConfig:
    """Optimizer and learning rate."""

    name: str = "adamw"
    """Any optimizer that timm knows by name: adamw, adam, sgd, lamb, lion, …"""
    lr: PositiveFloat = 5e-4
    """Peak learning rate."""
    weight_decay: NonNegativeFloat = 0.05
    """Weight decay of matrices; biases, norms and single vectors have none."""
    momentum: ShareBelowOne = 0.9
    """Momentum of sgd (Nesterov's)."""
    warmup: Share = 0.1
    """Share of all steps over which the learning rate rises linearly."""
    schedule: Literal["cosine", "constant", "steps"] = "cosine"
    """Learning rate after the warm-up; steps: a tenth at each milestone."""
    milestones: tuple[Share, ...] = (11 / 15, 14 / 15)
    """Milestones of `steps`, as shares of all steps (the paper's epochs 11 and 14 of 15)."""
    accumulate: PositiveInt = 1
    """Parts of a step's batch that pass through the model one by one, to save memory."""
    clip_norm: NonNegativeFloat = 1.0
    """Largest norm of the gradient; 0 does not clip."""
    patience: NaturalInt = 0
    """Validations without a better one before training stops early; 0 never stops early."""


class RunConfig(Protocol):
    """The options that every run has, whatever its task; a dataclass."""

    @property
    def out(self) -> Path | None: ...  # noqa: D102
    @property
    def init(self) -> Path | None: ...  # noqa: D102
    @property
    def epochs(self) -> int: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def validate_every(self) -> int: ...  # noqa: D102
    @property
    def precision(self) -> Precision: ...  # noqa: D102
    @property
    def optim(self) -> OptimConfig: ...  # noqa: D102

    def save(self, folder: Path) -> None: ...  # noqa: D102

    @classmethod
    def load(cls, folder: Path) -> Any: ...  # noqa: D102
