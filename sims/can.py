"""robosuite's PickPlaceCan: a Panda carries a can from one bin into its place in another."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from jaxtyping import Float

from sims.can_expert import CARRY, GRASP, LIFT, PHASES, PLACE, REACH, RELEASE, can_expert
from sims.env import Step
from sims.robosuite_env import RobosuiteEnv

CAN = "Can"
# Heights over where the can stands, in metres: from which on it is lifted, and from which on its
# lower end is over the walls of the bins. Faster than this, in metres a second, it comes down.
CLEAR = 0.005
WALL = 0.08
SINKING = 0.05


class CanEnv(RobosuiteEnv):
    """Can, with robosuite's own rule of success: the can in its bin and the hand away from it."""

    name = "can"
    task = "PickPlaceCan"
    phases = PHASES
    camera_distance = 1.9
    horizon = 320
    # The arm from its mount to its elbow, and both bins with the space above them.
    workspace = np.array(
        [
            *product((-0.63,), (-0.2, 0.0), (0.9,)),
            *product((-0.6, -0.3), (-0.25, 0.05), (1.6,)),
            *product((-0.11, 0.31), (-0.51, 0.54), (0.8, 0.95)),
        ]
    )

    def can_position(self) -> Float[np.ndarray, 3]:
        """Position of the can's middle in metres."""
        return self._data.xpos[self._env.obj_body_id[CAN]].copy()

    def base_position(self) -> Float[np.ndarray, 3]:
        """Where the arm is mounted, in metres."""
        return self._data.xpos[self._bodies[self.skeleton.keypoints.index("base")]].copy()

    def can_in_bin(self) -> Float[np.ndarray, 3]:
        """Where the can's middle is when it stands in the middle of its bin, in metres."""
        # robosuite shows the place by a translucent can, for pictures alone.
        return self._data.xpos[self._env.obj_body_id[f"Visual{CAN}"]].copy()

    def phase_now(self) -> int:
        """The phase that the present state alone shows.

        `grasp` from when the fingers close around the can until it is clear of the floor, `lift`
        until its lower end is over the bin's walls, `carry` until it comes down over its own place,
        `place` from then on, and `release` when it is let go there. `reach` is all else.
        """
        can, place = self.can_position(), self.can_in_bin()
        over_place = bool((np.abs(can - place)[:2] < self._env.bin_size[:2] / 4).all())
        height = can[2] - place[2]
        if not self._holds(self._env.objects[self._env.object_id]):
            if over_place and height < WALL:
                return RELEASE
            return GRASP if self._closes_on(can) else REACH
        if over_place:
            sinks = self._upward(self._env.obj_body_id[CAN]) < -SINKING
            return PLACE if sinks or height < WALL else CARRY
        if height < CLEAR:
            return GRASP
        return LIFT if height < WALL else CARRY

    def expert(self, rng: np.random.Generator) -> Iterator[Step]:
        """Reaches, grasps, lifts, carries, places and lets go; see `sims.can_expert`."""
        return can_expert(self, rng)
