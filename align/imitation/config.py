"""Options of `align.imitate`. Nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from align.progress.options import Method, ReadingConfig
from datasets.bounds import NonNegativeFloat, Pixels, PositiveFloat, PositiveInt, Seed, Share
from datasets.errors import OptionError

World = Literal["minecraft", "pick", "lift"]
Reward = Literal["alignment", "sparse", "oracle", "shuffled"]
Algorithm = Literal["sac", "ppo"]
REWARDS: tuple[Reward, ...] = get_args(Reward)
# Rewards that need a run and its references.
OF_VIDEO: frozenset[Reward] = frozenset({"alignment", "shuffled"})


@dataclass(frozen=True)
class ImitateConfig:
    """Options of `align.imitate`."""

    env: World
    """The world that the agent acts in."""
    run: Path | None = None
    """Run (also zoo:NAME) whose embedding judges progress; for alignment and shuffled."""
    reward: tuple[Reward, ...] = REWARDS
    """Rewards to learn from. alignment: progress among the references; sparse: the environment's
    own; oracle: the simulator's progress; shuffled: alignment with the references' frames at random
    times. All but sparse are added to it."""
    seeds: tuple[Seed, ...] = (0, 1, 2)
    """Seeds; every reward gets one agent for each."""
    references: tuple[str, ...] = ()
    """Names of episodes, and videos; the run's first training episodes by default."""
    reference_data: Path | None = None
    """Data set of the references; the run's own by default."""
    reference_views: tuple[str, ...] = ()
    """Views of the references; by default the third-person ones that the run was trained on,
    without the camera that looks on."""
    view: str = "view_0"
    """The camera that looks on."""
    views: PositiveInt = 4
    """Third-person cameras of the environment, which decide where each stands."""
    image_size: Pixels = 112
    """Side of the camera's frames in pixels."""
    algorithm: Algorithm = "ppo"
    """Stable-Baselines3's PPO or SAC. SAC needs fewer steps and far more time for each."""
    steps: PositiveInt = 50_000
    """Time steps that each agent learns from."""
    envs: PositiveInt = 8
    """Environments side by side."""
    processes: bool = False
    """Give each environment a process of its own: faster where cores are idle and a step takes
    milliseconds, as it does for the rewards from video."""
    evaluate_every: PositiveInt = 5_000
    """Time steps between evaluations."""
    episodes: PositiveInt = 50
    """Held-out episodes of an evaluation."""
    gamma: Share = 0.99
    """The agent's discount."""
    # In Minecraft, PPO with the oracle reward solves none of 20 episodes after 61,440 steps at a
    # weight of 10, where an episode's end costs more progress than success brings; at 1, nine of
    # ten after 40,960.
    scale: NonNegativeFloat = 1.0
    """Weight of the progress beside the environment's own reward, which is 1 at success."""
    lr: PositiveFloat = 3e-4
    """Learning rate."""
    method: Method = "nearest"
    """How progress is read off the references."""
    out: Path = Path("runs/imitate")
    """Folder of the results."""
    # From a camera without references, start follows the task and references hardly does.
    reading: ReadingConfig = field(default_factory=lambda: ReadingConfig(centre="start"))
    """Options of the method."""


def run_of(config: ImitateConfig) -> Path:
    """The run that judges progress.

    Raises:
        OptionError: When there is none.
    """
    if config.run is None:
        raise OptionError(
            f"the rewards {' and '.join(sorted(OF_VIDEO))} need --run, whose embedding says how "
            "far the task has come; or name others: --reward sparse oracle"
        )
    return config.run
