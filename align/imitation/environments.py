"""Environments as Stable-Baselines3 takes them: states in, a reward out, over at success."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.wrappers import DtypeObservation, TransformAction

from align.embedder import FrameEmbedder
from align.imitation.config import ImitateConfig, Reward, run_of
from align.inputs.protocols import training_views
from align.progress.demonstrations import Demonstrations
from align.progress.tracker import ProgressTracker
from align.reward import AlignmentPotential, OraclePotential, Potential, PotentialReward
from align.stored.suitable import require_frames_alone
from align.zoo.store import resolve
from datasets.storage.episode_file import EGO


class OverAtSuccess(gymnasium.Wrapper):
    """Ends an episode when its task is solved, with a reward of 1; nothing else is rewarded."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Advances by a time step."""
        observation, _, _, cut_off, info = self.env.step(action)
        solved = bool(info["success"])
        # Stable-Baselines3 reads `is_success`.
        told = {**info, "is_success": solved}
        return observation, float(solved), solved, cut_off and not solved, told


class PolicyStates(gymnasium.ObservationWrapper):
    """Shows the states of a world of `sims` as a policy takes them."""

    def __init__(self, env: gymnasium.Env) -> None:
        """Begins an episode, which shows how many numbers a state has."""
        super().__init__(env)
        env.reset(seed=0)
        shape = self._state().shape
        self.observation_space = Box(-np.inf, np.inf, shape, np.float64)

    def observation(self, observation: Any) -> np.ndarray:
        """The state instead of the observation."""
        return self._state()

    def _state(self) -> np.ndarray:
        world: Any = self.unwrapped
        state: np.ndarray = world.policy_state()
        return state


def make_environment(config: ImitateConfig, reward: Reward) -> gymnasium.Env:
    """An environment with one of the rewards.

    Args:
        config: All options.
        reward: What is added to the sparse reward, if anything.

    Raises:
        OptionError: When the reward needs a run and there is none, or the run looks ahead.
        UnknownNameError: When the environment has no such view.
        DataError: When the run or its references cannot be used.
    """
    name = f"sims:posealign/{config.env.capitalize()}-v0"
    made = gymnasium.make(
        name, views=config.views, size=config.image_size, disable_env_checker=True
    ).unwrapped
    env: gymnasium.Env = OverAtSuccess(made)
    potential = make_potential(config, reward, made)
    if potential is not None:
        env = PotentialReward(env, potential, config.gamma, config.scale)
    return _in_single_precision(PolicyStates(env))


def _in_single_precision(env: gymnasium.Env) -> gymnasium.Env:
    """Vectors and actions as agents compute them, for an environment of doubles."""
    space = env.action_space
    assert isinstance(space, Box)
    single = Box(space.low.astype(np.float32), space.high.astype(np.float32), dtype=np.float32)
    acting = TransformAction(env, lambda action: np.asarray(action, np.float64), single)
    return DtypeObservation(acting, np.float32)


def make_potential(config: ImitateConfig, reward: Reward, world: Any) -> Potential | None:
    """The potential of a reward; None for the sparse one. Errors as of `make_environment`."""
    match reward:
        case "sparse":
            return None
        case "oracle":
            return OraclePotential(world)
    run = resolve(run_of(config))
    embedder = FrameEmbedder.load(run)
    lacking = "which would tell the agent's state to its reward"
    require_frames_alone(run, embedder.config, lacking)
    views = config.reference_views or tuple(
        view for view in training_views(embedder.config, embedder.plan.meta) if view != EGO
    )
    shuffled = reward == "shuffled"
    chosen = Demonstrations(config.references, config.reference_data, views, shuffled)
    references = chosen.embed(run, embedder, config.reading.centre, progress=False)
    tracker = ProgressTracker(embedder, references, config.method, config.reading)
    return AlignmentPotential(world, tracker, config.view)
