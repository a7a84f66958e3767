"""Scenes whose physics this project steps itself: how an episode begins, and goes on."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from jaxtyping import Float

from sims.errors import OptionError
from sims.scenes.acting import source_of, user_code
from sims.scenes.env import SceneEnv


class SteppedScene(SceneEnv):
    """A scene that is built again for each episode, and advanced by whole physics steps."""

    _steps = 0

    @abstractmethod
    def start(self) -> None:
        """Puts the scene of the files into its initial pose."""

    @abstractmethod
    def refresh(self) -> None:
        """Updates all that follows from the state."""

    @abstractmethod
    def advance(self, action: Float[np.ndarray, " action"]) -> None:
        """Advances the physics by one action."""

    @abstractmethod
    def require_stable(self, cause: str) -> None:
        """Raises a SimulatorError when the state is not finite, or physics broke down."""

    def physics_steps(self, timestep: float) -> int:
        """Physics steps of one action.

        Args:
            timestep: Duration of a physics step in seconds.

        Raises:
            OptionError: When actions follow each other faster than physics steps.
        """
        steps = round(1 / (self.control_hz * timestep))
        if steps < 1:
            raise OptionError(
                f"control_hz is {self.control_hz:g}, but {self.scene_name} has physics steps of "
                f"{timestep:g} s: choose at most {1 / timestep:g}{self.finer_physics}."
            )
        return steps

    # What a message adds where the user can shorten physics steps.
    finer_physics = ""

    def begin(self, seed: int) -> None:
        """Begins an episode in the initial pose, changed by `randomize`."""
        self.start()
        self._steps = 0
        with user_code(self.randomize):
            self.randomize(np.random.default_rng(seed))
        self.require_stable(f"at the start, by {source_of(self.randomize)}")
        self.refresh()
        self.require_stable(f"at the start, by {source_of(self.randomize)}")

    def step(
        self, action: Float[np.ndarray, " action"]
    ) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Advances the physics by one action; the reward is 1 while the task is solved.

        Solving the task does not end the episode; it sets `info["success"]`.

        Raises:
            HookError: When the action, or what `control` makes of it, cannot be used.
            SimulatorError: When the physics becomes unstable.
        """
        self.advance(self.checked(action))
        self._steps += 1
        self.require_stable(f"at step {self._steps}")
        success = self.success()
        truncated = self._steps >= self.max_steps
        return self.observe(), float(success), False, truncated, {"success": success}
