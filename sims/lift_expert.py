"""A scripted expert for Lift that varies as people do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float

from sims.env import Step
from sims.expert import CLOSED, OPEN, Arm, Mover, downward, nearest_grasp_angle, tilted

PHASES = ("reach", "grasp", "lift", "hold")
REACH, GRASP, LIFT, HOLD = range(4)
CLOSING_STEPS = 5


class CubeArm(Arm, Protocol):
    """An arm and the cube it lifts."""

    def cube_pose(self) -> tuple[Float[np.ndarray, 3], Float[np.ndarray, "3 3"]]:
        """Position of the cube's middle in metres, and its rotation."""
        ...


@dataclass(frozen=True)
class Manner:
    """How one episode is carried out, drawn once at its start.

    Speeds are fractions of the full action and differ by a factor of about 3 between episodes,
    each phase on its own, so that the share of an episode already past does not tell the phase.
    """

    reach_speed: float
    descend_speed: float
    lift_speed: float
    tremor: float
    smoothing: float
    detours: int
    misses: int
    tilt: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Manner:
        """Draws a manner."""
        missed = bool(rng.random() < 0.15)
        return cls(
            reach_speed=float(np.exp(rng.uniform(np.log(0.55), np.log(1.5)))),
            descend_speed=float(np.exp(rng.uniform(np.log(0.4), np.log(1.1)))),
            lift_speed=float(np.exp(rng.uniform(np.log(0.45), np.log(1.4)))),
            tremor=float(rng.uniform(0.01, 0.05)),
            smoothing=float(rng.uniform(0.2, 0.6)),
            # Never all at once, so that no episode is several times as long as another.
            detours=0 if missed else int(rng.choice(3, p=(0.35, 0.45, 0.2))),
            misses=int(missed),
            tilt=float(rng.normal(0, 0.06)),
        )


def lift_expert(arm: CubeArm, rng: np.random.Generator) -> Iterator[Step]:
    """Reaches for the cube, grasps it, lifts it and holds it.

    Variation: speed of each phase, detours on the way, side of the approach, tilt of the hand,
    pauses, a grasp that misses and is tried again, height of the lift, length of the hold.
    """
    manner = Manner.draw(rng)
    _, hand = arm.gripper_pose()
    _, cube = arm.cube_pose()
    angle = nearest_grasp_angle(hand, cube)
    rotation = tilted(downward(angle), rng.uniform(0, 2 * np.pi), manner.tilt)
    mover = Mover(arm, rng, rotation, manner.tremor, manner.smoothing)
    yield from mover.rest(_pause(rng, 0.3), REACH)
    yield from _wander(arm, mover, manner)
    for miss in reversed(range(manner.misses + 1)):
        yield from _descend(arm, mover, manner, miss=miss > 0)
        mover.gripper = CLOSED
        yield from mover.rest(CLOSING_STEPS + int(rng.integers(0, 4)), GRASP)
        if miss:
            mover.gripper = OPEN
            yield from mover.rest(int(rng.integers(3, 6)), GRASP)
    yield from _lift_and_hold(arm, mover, manner)


def _pause(rng: np.random.Generator, probability: float) -> int:
    return int(rng.integers(2, 7)) if rng.random() < probability else 0


def _wander(arm: CubeArm, mover: Mover, manner: Manner) -> Iterator[Step]:
    """Passes through points away from the straight way to the cube."""
    rng = mover.rng
    for _ in range(manner.detours):
        cube, _ = arm.cube_pose()
        side = rng.uniform([-0.15, -0.18, 0.1], [0.1, 0.18, 0.26])
        yield from mover.move_to(cube + side, manner.reach_speed, REACH, tolerance=0.03)
        yield from mover.rest(_pause(rng, 0.2), REACH)


def _descend(arm: CubeArm, mover: Mover, manner: Manner, miss: bool) -> Iterator[Step]:
    """Comes down on the cube from a side of its own, or beside the cube for a miss."""
    rng = mover.rng
    cube, _ = arm.cube_pose()
    around = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(around), np.sin(around), 0.0])
    height = rng.uniform(0.05, 0.11)
    above = cube + rng.uniform(0, 0.05) * direction + np.array([0, 0, height])
    yield from mover.move_to(above, manner.reach_speed, REACH, tolerance=0.015)
    yield from mover.rest(_pause(rng, 0.25), REACH)
    cube, _ = arm.cube_pose()
    if miss:  # too high: the fingers close on air above the cube
        goal = cube + np.array([0, 0, rng.uniform(0.04, 0.05)])
    else:
        ready = cube + np.array([0, 0, 0.045])
        yield from mover.move_to(ready, manner.descend_speed, REACH, tolerance=0.012)
        goal = cube + np.array([*rng.uniform(-0.004, 0.004, 2), rng.uniform(-0.006, 0.006)])
    yield from mover.move_to(goal, manner.descend_speed, REACH, tolerance=0.007)


def _lift_and_hold(arm: CubeArm, mover: Mover, manner: Manner) -> Iterator[Step]:
    """Lifts the cube to a height of its own, then drifts on slowly with it."""
    rng = mover.rng
    start, _ = arm.gripper_pose()
    height = rng.uniform(0.08, 0.2)
    goal = start + np.array([*rng.uniform(-0.06, 0.06, 2), height])
    yield from mover.move_to(goal, manner.lift_speed, LIFT, tolerance=0.015)
    # A hand in the air is never quite still; so neighbouring frames of the hold differ.
    drift = goal + rng.uniform(-0.06, 0.06, 3)
    for _ in range(int(rng.integers(4, 11))):
        yield from mover.move_to(drift, 0.12, HOLD, tolerance=0.005, max_steps=1)
