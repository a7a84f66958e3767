"""Options of `align.clone`. Nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from datasets.bounds import PositiveFloat, PositiveInt, Seed, Width

# fixed: where it was in training; moved: at one other place; drawn: at another in each rollout.
Cameras = Literal["fixed", "moved", "drawn"]
CAMERAS: tuple[Cameras, ...] = get_args(Cameras)


@dataclass(frozen=True)
class PolicyConfig:
    """How a policy is trained."""

    steps: PositiveInt = 5000
    """Optimizer steps."""
    batch: PositiveInt = 100
    """Time steps of a batch."""
    lr: PositiveFloat = 1e-3
    """Learning rate of Adam."""
    width: Width = 1024
    """Width of the policy's two hidden layers."""


@dataclass(frozen=True)
class CloneConfig:
    """Options of `align.clone`."""

    data: Path
    """Folder of episodes that `sims.generate` made."""
    observe: tuple[str, ...] = ("states",)
    """The observations of each policy: states, pixels, or a run (also zoo:NAME)."""
    views: tuple[str, ...] = ("view_0",)
    """Views whose frames the policy learns from; it is tried from the first one."""
    seeds: tuple[Seed, ...] = (0,)
    """Seeds; every observation gets one policy for each."""
    episodes: PositiveInt | None = None
    """Learn from the first of the training episodes; all by default."""
    cameras: tuple[Cameras, ...] = CAMERAS
    """Where the camera stands when a policy is tried."""
    rollouts: PositiveInt = 50
    """Rollouts for each place of the camera."""
    out: Path = Path("runs/clone")
    """Folder of the policies and results."""
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    """How a policy is trained."""
