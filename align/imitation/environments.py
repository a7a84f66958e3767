"""Environments as Stable-Baselines3 takes them: states in, a reward out, over at success."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.wrappers import DtypeObservation, TransformAction

from align.imitation.config import OF_VIDEO, ImitateConfig, Reward
from align.reward import OraclePotential, PotentialReward
from datasets.errors import require_known

# Where `info` holds the picture of the camera that looks on.
FRAME = "onlooker"


class OverAtSuccess(gymnasium.Wrapper):
    """Ends an episode when its task is solved, with a reward of 1; nothing else is rewarded."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Advances by a time step."""
        observation, _, _, cut_off, info = self.env.step(action)
        solved = bool(info["success"])
        # Stable-Baselines3 reads `is_success`.
        report = {**info, "is_success": solved}
        return observation, float(solved), solved, cut_off and not solved, report


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


class Onlooker(gymnasium.Wrapper):
    """Puts the picture of a camera that looks on into `info`, after each step and each reset."""

    def __init__(self, env: gymnasium.Env, view: str) -> None:
        """Names the camera.

        Raises:
            UnknownNameError: When the environment has no such view.
        """
        super().__init__(env)
        world: Any = env.unwrapped
        require_known("view of the environment", view, world.views)
        self._world, self._view = world, view

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begins an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, {**info, FRAME: self._world.render_view(self._view)}

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Advances by a time step."""
        *result, info = self.env.step(action)
        return *result, {**info, FRAME: self._world.render_view(self._view)}  # type: ignore[return-value]


def make_environment(config: ImitateConfig, reward: Reward) -> gymnasium.Env:
    """An environment with the sparse or the oracle reward, or that films itself for the others.

    Args:
        config: All options.
        reward: What is added to the sparse reward, if anything.

    Raises:
        UnknownNameError: When the environment has no such view.
    """
    name = f"sims:posealign/{config.env.capitalize()}-v0"
    made = gymnasium.make(
        name, views=config.views, size=config.image_size, disable_env_checker=True
    ).unwrapped
    env: gymnasium.Env = OverAtSuccess(made)
    if reward == "oracle":
        world: Any = made
        env = PotentialReward(env, OraclePotential(world), config.gamma, config.scale)
    if reward in OF_VIDEO:
        env = Onlooker(env, config.view)
    return _in_single_precision(PolicyStates(env))


def _in_single_precision(env: gymnasium.Env) -> gymnasium.Env:
    """Vectors and actions as agents compute them, for an environment of doubles."""
    space = env.action_space
    assert isinstance(space, Box)
    single = Box(space.low.astype(np.float32), space.high.astype(np.float32), dtype=np.float32)
    acting = TransformAction(env, lambda action: np.asarray(action, np.float64), single)
    return DtypeObservation(acting, np.float32)
