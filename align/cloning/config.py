"""Options of `align.clone`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from align.cloning.cameras import CAMERAS, Cameras
from align.cloning.policy_config import PolicyConfig
from datasets.bounds import PositiveInt, Seed


@dataclass(frozen=True)
class CloneConfig:
    """Options of `align.clone`."""

    data: Path
    """Folder of episodes that `sims.generate` made."""
    observe: tuple[str, ...] = ("states",)
    """What each policy observes: states, pixels, or a run (also zoo:NAME)."""
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
