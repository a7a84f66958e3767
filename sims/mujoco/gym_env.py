"""Any Gymnasium environment on MuJoCo, by its id, as a multi-view environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from jaxtyping import Float

from datasets.errors import UnknownNameError
from sims.errors import SimulatorError
from sims.gl import import_mujoco
from sims.mujoco.points import find_points
from sims.mujoco.world import MujocoWorld
from sims.named import find_named
from sims.scenes.env import ROBOMIMIC_GYM_TYPE

RANDOM = "random"
# The package that brings Fetch, the hand and others along.
ROBOTICS = "gymnasium_robotics"


class GymnasiumEnv(MujocoWorld):
    """An environment of Gymnasium that runs on MuJoCo; episodes have its own length and rewards.

    Success is the environment's `info["is_success"]`; where it has none, every episode counts.
    A state holds MuJoCo's numbers, and nothing that an environment keeps elsewhere.

    Attributes:
        gym: The environment itself, with its wrappers.
    """

    def __init__(
        self,
        env_id: str,
        policy: str = RANDOM,
        points: Sequence[str] = (),
        views: int = 4,
        size: int = 224,
    ) -> None:
        """Makes the environment; the first episode begins at `reset`.

        Args:
            env_id: Its id in Gymnasium, such as `Reacher-v5`.
            policy: `random`, or a generator function `package.module:function` that is called with
                this environment and yields actions, or actions and names of phases, which
                `function.phases` lists.
            points: Names of bodies and sites; by default all named bodies.
            views: Number of third-person views.
            size: Height and width of the images in pixels.

        Raises:
            UnknownNameError: For an id, policy, body or site that does not exist.
            SimulatorError: When the environment does not run on MuJoCo, or cannot be started.
        """
        self._engine = import_mujoco()
        self.gym = make_gymnasium(env_id)
        self.name = env_id.rpartition("/")[2]
        self._policy = policy
        function = None if policy == RANDOM else find_policy(policy)
        super().__init__(env_id, views=views, size=size, points=tuple(points))
        if function is not None:
            self.phases = tuple(getattr(function, "phases", self.phases))
            self.act = partial(function, self)  # type: ignore[method-assign]
        self._take_parts(env_id)
        self.prepare_pictures()
        self._points = find_points(self.model, env_id, self.name, self.points, ())
        self.skeleton = self._points.skeleton
        self.begin(seed=0)
        self.find_cameras()
        self.set_observation_space()

    def _take_parts(self, env_id: str) -> None:
        inner: Any = self.gym.unwrapped
        is_mujoco = isinstance(getattr(inner, "model", None), self._engine.MjModel)
        if not is_mujoco or not isinstance(self.gym.action_space, Box):
            raise SimulatorError(
                f"{env_id} does not run on MuJoCo with actions that are numbers; choose one that "
                "does, such as Reacher-v5."
            )
        self.model, self.data = inner.model, inner.data
        self.control_hz = 1 / inner.dt
        self.action_space = self.gym.action_space

    def act(self) -> Iterator[Any]:
        """The random policy: each step draws an action from the whole space."""
        space = self.action_space
        bounded = np.isfinite(space.low) & np.isfinite(space.high)
        low, high = np.where(bounded, space.low, -1.0), np.where(bounded, space.high, 1.0)
        while True:
            yield self.rng.uniform(low, high)

    def begin(self, seed: int) -> None:
        """Resets the environment by the seed."""
        self.gym.reset(seed=seed)
        self._steps, self._is_loaded, self._solved = 0, False, True
        self.refresh()

    def step(
        self, action: Float[np.ndarray, " action"]
    ) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Does a step of the environment, whose rewards and ends it keeps."""
        _, reward, terminated, truncated, info = self.gym.step(self.checked(action))
        # MuJoCo leaves poses one physics step older than the state.
        self._engine.mj_fwdPosition(self.model, self.data)
        self._steps += 1
        self.require_stable(f"at step {self._steps}")
        self._solved = bool(info.get("is_success", True))
        ended = truncated or self._steps >= self.max_steps
        success = {"success": self.success()}
        return self.observe(), float(reward), bool(terminated), ended, success

    def solved(self) -> bool:
        """Whether the environment called the task solved after the last step."""
        return self._solved

    def model_file(self) -> str | None:
        """The environment's MJCF file, where it names one."""
        path = getattr(self.gym.unwrapped, "fullpath", None)
        return Path(path).read_text() if path else None

    def env_args(self) -> dict[str, Any]:
        """The id, policy and points, in robomimic's format for environments of Gym."""
        kwargs = {"policy": self._policy, "points": list(self.skeleton.keypoints)}
        return {"env_name": self.name, "type": ROBOMIMIC_GYM_TYPE, "env_kwargs": kwargs}

    def close(self) -> None:
        """Frees the graphics context and the environment."""
        super().close()
        self.gym.close()


def make_gymnasium(env_id: str) -> gymnasium.Env[Any, Any]:
    """Makes an environment by its id.

    Raises:
        UnknownNameError: When Gymnasium does not know the id; names the package that may.
        SimulatorError: When something that it needs is not installed.
    """
    if find_spec(ROBOTICS) is not None:
        import_module(ROBOTICS)
    try:
        return gymnasium.make(env_id, disable_env_checker=True)
    except gymnasium.error.UnregisteredEnv as error:
        remedy = (
            "" if find_spec(ROBOTICS) else " Fetch, hands and mazes: pip install gymnasium-robotics"
        )
        raise UnknownNameError(
            f"Gymnasium has no environment {env_id!r} ({error}).{remedy}"
        ) from None
    except (gymnasium.error.Error, ImportError) as error:
        raise SimulatorError(
            f"Gymnasium cannot make {env_id!r} ({error}). Install what it needs, or name another "
            "environment, such as --env gymnasium:Reacher-v5."
        ) from None


def find_policy(policy: str) -> Callable[[Any], Iterator[Any]]:
    """The function that `package.module:function` names.

    Raises:
        UnknownNameError: When there is none.
    """
    remedy = (
        f"give --policy {RANDOM}, or `package.module:function` that can be imported from the "
        "current folder."
    )
    function = find_named(policy, "function", remedy)
    if not callable(function):
        raise UnknownNameError(f"--policy {policy!r} is not a function.")
    return function
