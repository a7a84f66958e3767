"""Lift, robosuite's task of that name: a Panda lifts a cube from a table.

First the environment, then its scripted expert.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Protocol

import numpy as np
from jaxtyping import Float

from sims.arm.approach import GRASP, REACH, Manner, Target, reach_and_grasp
from sims.arm.expert import Arm, Mover, downward, nearest_grasp_angle, tilted
from sims.arm.stages import lifted, reached
from sims.env import Step
from sims.failures import failing_steps
from sims.robosuite.env import RobosuiteEnv

PHASES = ("reach", "grasp", "lift", "hold")
assert (PHASES[REACH], PHASES[GRASP]) == ("reach", "grasp")
LIFT, HOLD = 2, 3
CUBE = "cube_g0"
# A cube higher than CLEAR above the table, in metres, is lifted; one that rises slower than RISING,
# in metres a second, is held.
CLEAR = 0.005
RISING = 0.08
# Height of the cube's middle above the table, in metres, at which robosuite's task is solved.
LIFTED = 0.04


class LiftEnv(RobosuiteEnv):
    """Lift. Success is robosuite's own rule: the cube is 4 cm above the table."""

    name = "lift"
    task = "Lift"
    phases = PHASES
    camera_distance = 1.7
    # Cameras frame the arm from its mount to its elbow, and the table under the hand.
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
        """The phase of the current state, judged by this state alone.

        `grasp` lasts from when the fingers close around the cube until it is clear of the table,
        then `lift` until the task is solved and the cube no longer rises, then `hold`. All other
        states are `reach`.
        """
        cube, _ = self.cube_pose()
        if not self._holds(self._env.cube):
            return GRASP if self._closes_on(cube) else REACH
        half = self._model.geom_size[self._model.geom(CUBE).id, 2]
        if cube[2] - half - self._env.model.mujoco_arena.table_offset[2] < CLEAR:
            return GRASP
        resting = self.success() and self._upward(self._env.cube_body_id) < RISING
        return HOLD if resting else LIFT

    def progress(self) -> float:
        """Share of the way to the cube, then up with it; 1 once the task is solved."""
        if self.success():
            return 1.0
        cube, _ = self.cube_pose()
        if not self._holds(self._env.cube):
            return reached(self.gripper_pose()[0], cube)
        table = self._env.model.mujoco_arena.table_offset[2]
        return lifted((cube[2] - table) / LIFTED)

    def expert(self, rng: np.random.Generator) -> Iterator[Step]:
        """Reaches, grasps, lifts and holds; see `lift_expert`."""
        return lift_expert(self, rng)

    def failing_expert(
        self, rng: np.random.Generator, failure: np.random.Generator
    ) -> Iterator[Step]:
        """Lets go, goes to the wrong place, or stops half-way; see `sims.failures`."""
        return failing_steps(
            self,
            lambda world: lift_expert(world, rng),
            failure,
            stops=(REACH, GRASP),
            slips=(LIFT,),
            places=("cube_pose",),
            distance=(0.06, 0.1),
        )


class CubeArm(Arm, Protocol):
    """The arm and the cube, as the expert needs them."""

    def cube_pose(self) -> tuple[Float[np.ndarray, 3], Float[np.ndarray, "3 3"]]:
        """Position of the cube's middle in metres, and its rotation."""
        ...


def lift_expert(arm: CubeArm, rng: np.random.Generator) -> Iterator[Step]:
    """Reaches for the cube, grasps it, lifts it and holds it.

    Episodes vary in the speed of each phase, detours, the side of the approach, tilt of the hand,
    pauses, missed grasps that are repeated, the height of the lift and the length of the hold.
    """
    manner = Manner.draw(rng)
    _, hand = arm.gripper_pose()
    _, cube = arm.cube_pose()
    angle = nearest_grasp_angle(hand, cube)
    rotation = tilted(downward(angle), rng.uniform(0, 2 * np.pi), manner.tilt)
    mover = Mover(arm, rng, rotation, manner.tremor, manner.smoothing)
    target = Target(
        position=lambda: arm.cube_pose()[0],
        above=(0.05, 0.11),
        ready=0.045,
        grasped=(-0.006, 0.006),
        missed=(0.04, 0.05),
        detour=((-0.15, -0.18, 0.1), (0.1, 0.18, 0.26)),
    )
    yield from reach_and_grasp(mover, manner, target)
    yield from _lift_and_hold(arm, mover, manner)


def _lift_and_hold(arm: CubeArm, mover: Mover, manner: Manner) -> Iterator[Step]:
    """Lifts the cube to a random height, then drifts slowly with it."""
    rng = mover.rng
    start, _ = arm.gripper_pose()
    height = rng.uniform(0.08, 0.2)
    goal = start + np.array([*rng.uniform(-0.06, 0.06, 2), height])
    yield from mover.move_to(goal, manner.lift_speed, LIFT, tolerance=0.015)
    # A hand in the air is never quite still, and the drift makes neighbouring frames differ.
    drift = goal + rng.uniform(-0.06, 0.06, 3)
    for _ in range(int(rng.integers(4, 11))):
        yield from mover.move_to(drift, 0.12, HOLD, tolerance=0.005, max_steps=1)
