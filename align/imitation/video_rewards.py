"""Rewards from video for several environments at once, whose frames are embedded together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from align.embedder import FrameEmbedder
from align.imitation.config import ImitateConfig, Reward, run_of
from align.imitation.environments import FRAME
from align.inputs.protocols import training_views
from align.progress.causality import require_causal
from align.progress.demonstrations import Demonstrations
from align.progress.tracker import ProgressTracker, see_together
from align.reward import change_of_potential
from align.stored.suitable import require_frames_alone
from align.zoo.store import resolve
from datasets.storage.episode_file import EGO

log = logging.getLogger(__name__)


class VideoRewards(VecEnvWrapper):
    """Adds the change of progress that `Onlooker`'s pictures show to the rewards."""

    def __init__(
        self, venv: VecEnv, trackers: Sequence[ProgressTracker], gamma: float, scale: float
    ) -> None:
        """Wraps environments that film themselves.

        Args:
            venv: The environments.
            trackers: One for each, all of one encoder.
            gamma: Discount of the potential after a step.
            scale: Weight of the potential's change.
        """
        super().__init__(venv)
        self._trackers, self._gamma, self._scale = list(trackers), gamma, scale
        self._before = np.zeros(len(self._trackers))

    def reset(self) -> Any:
        """Begins an episode in every environment."""
        observations = self.venv.reset()
        self._begin(np.arange(self.num_envs))
        return observations

    def step_wait(self) -> Any:
        """The step's results; where an episode is over, the next one has begun."""
        observations, rewards, dones, infos = self.venv.step_wait()
        now = np.array(see_together(self._trackers, [info.pop(FRAME) for info in infos]))
        ended = dones & ~np.array([info["TimeLimit.truncated"] for info in infos])
        change = change_of_potential(self._before, now, ended, self._gamma)
        self._before = now
        self._begin(np.flatnonzero(dones))
        return observations, rewards + self._scale * change, dones, infos

    def _begin(self, which: np.ndarray) -> None:
        if not which.size:
            return
        beginning = [self._trackers[i] for i in which]
        for tracker in beginning:
            tracker.begin()
        frames = [self.venv.reset_infos[i][FRAME] for i in which]
        self._before[which] = see_together(beginning, frames)


def make_trackers(config: ImitateConfig, reward: Reward) -> list[ProgressTracker]:
    """The readers of progress among the references, one for each environment.

    Args:
        config: All options.
        reward: alignment, or shuffled.

    Raises:
        OptionError: When there is no run, or it needs keypoints or looks ahead.
        DataError: When the run or its references cannot be used.
    """
    embedder, chosen = open_run(config, reward)
    references = chosen.embed(resolve(run_of(config)), embedder, config.reading.centre)
    return [
        ProgressTracker(embedder, references, config.method, config.reading)
        for _ in range(config.envs)
    ]


def open_run(config: ImitateConfig, reward: Reward) -> tuple[FrameEmbedder, Demonstrations]:
    """The encoder that judges progress, and its references, of which no frame is read yet.

    The arguments and errors are those of `make_trackers`.
    """
    run = resolve(run_of(config))
    embedder = FrameEmbedder.load(run)
    lacking = "which would tell the agent's state to its reward"
    require_frames_alone(run, embedder.config, lacking)
    require_causal(str(run), embedder)
    views = config.reference_views or _other_views(config, embedder)
    if config.view in views:
        log.warning(
            "the references are seen from %s too, the agent's own camera: they are no third-person "
            "videos then. Name other --reference-views, or another --view.",
            config.view,
        )
    shuffled = reward == "shuffled"
    chosen = Demonstrations(config.references, config.reference_data, views, shuffled)
    chosen.footage(run, embedder)
    return embedder, chosen


def _other_views(config: ImitateConfig, embedder: FrameEmbedder) -> tuple[str, ...]:
    """The third-person views of training without the agent's own, unless it is the only one."""
    third = [v for v in training_views(embedder.config, embedder.plan.meta) if v != EGO]
    return tuple([v for v in third if v != config.view] or third)
