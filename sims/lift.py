"""robosuite's Lift: a Panda lifts a cube from a table."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from jaxtyping import Float

from sims.env import Step
from sims.lift_expert import PHASES, lift_expert
from sims.robosuite_env import RobosuiteEnv


class LiftEnv(RobosuiteEnv):
    """Lift, with robosuite's own rule of success: the cube 4 cm above the table."""

    name = "lift"
    task = "Lift"
    phases = PHASES
    camera_distance = 1.7
    # The arm from its mount to its elbow, and the table under the hand.
    workspace = np.array(
        [
            *product((-0.63,), (-0.1, 0.1), (0.9,)),
            *product((-0.6, -0.3), (-0.12, 0.12), (1.65,)),
            *product((0.12,), (-0.12, 0.12), (0.8, 1.1)),
        ]
    )

    def cube_pose(self) -> tuple[Float[np.ndarray, 3], Float[np.ndarray, "3 3"]]:
        """Position of the cube's middle in metres, and its rotation."""
        body = self._env.cube_body_id
        return self._data.xpos[body].copy(), self._data.xmat[body].reshape(3, 3).copy()

    def expert(self, rng: np.random.Generator) -> Iterator[Step]:
        """Reaches, grasps, lifts and holds, never twice alike; see `sims.lift_expert`."""
        return lift_expert(self, rng)
