"""robosuite's Lift: a Panda lifts a cube from a table."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from jaxtyping import Float

from sims.env import Step
from sims.lift_expert import GRASP, HOLD, LIFT, PHASES, REACH, lift_expert
from sims.robosuite_env import RobosuiteEnv

CUBE = "cube_g0"
# A cube this far from the table, in metres, is lifted; slower than this, in metres a second, it is
# held at its height.
CLEAR = 0.005
RISING = 0.08


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

    def phase_now(self) -> int:
        """The phase that the present state alone shows.

        `grasp` from when the fingers close around the cube until it is clear of the table, then
        `lift`, and `hold` once it is solved and the cube rises no more. `reach` is all else.
        """
        cube, _ = self.cube_pose()
        if not self._holds(self._env.cube):
            return GRASP if self._closes_on(cube) else REACH
        half = self._model.geom_size[self._model.geom(CUBE).id, 2]
        if cube[2] - half - self._env.model.mujoco_arena.table_offset[2] < CLEAR:
            return GRASP
        resting = self.success() and self._upward(self._env.cube_body_id) < RISING
        return HOLD if resting else LIFT

    def expert(self, rng: np.random.Generator) -> Iterator[Step]:
        """Reaches, grasps, lifts and holds, never twice alike; see `sims.lift_expert`."""
        return lift_expert(self, rng)
