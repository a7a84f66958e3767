"""Can, robosuite's PickPlaceCan: a Panda carries a can from one bin into another.

First the environment, then its scripted expert.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np
from jaxtyping import Float

from sims.arm.approach import GRASP, REACH, Manner, Target, drawn_speed, pause, reach_and_grasp
from sims.arm.expert import OPEN, Arm, Mover, downward, tilted
from sims.arm.stages import carried, reached
from sims.env import Step
from sims.failures import failing_steps
from sims.robosuite.env import RobosuiteEnv

PHASES = ("reach", "grasp", "lift", "carry", "place", "release")
assert (PHASES[REACH], PHASES[GRASP]) == ("reach", "grasp")
LIFT, CARRY, PLACE, RELEASE = 2, 3, 4, 5
CAN = "Can"
# Heights above the place where the can stands, in metres: above CLEAR it is lifted, above WALL its
# lower end is higher than the walls of the bins. It counts as sinking when it moves down faster
# than SINKING, in metres a second.
CLEAR = 0.005
WALL = 0.08
SINKING = 0.05


class CanEnv(RobosuiteEnv):
    """Can. Success is robosuite's own rule: the can is in its bin and the hand away from it."""

    name = "can"
    task = "PickPlaceCan"
    phases = PHASES
    camera_distance = 1.9
    horizon = 320
    # Cameras frame the arm from its mount to its elbow, and both bins with the space above them.
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
        """Position of the arm's mount, in metres."""
        return self._data.xpos[self._bodies[self.skeleton.keypoints.index("base")]].copy()

    def can_in_bin(self) -> Float[np.ndarray, 3]:
        """Position of the middle of a can that stands in the middle of its bin, in metres."""
        # robosuite marks the place with a translucent can without physics.
        return self._data.xpos[self._env.obj_body_id[f"Visual{CAN}"]].copy()

    def phase_now(self) -> int:
        """The phase of the current state, judged by this state alone.

        `grasp` lasts from when the fingers close around the can until it is clear of the floor,
        `lift` until its lower end is above the bin's walls, `carry` until it sinks over its own
        place, `place` from then on, and `release` when the hand lets it go there. All other states
        are `reach`.
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

    def progress(self) -> float:
        """Share of the way to the can, up with it, and to its bin; 1 once it stands there."""
        if self.success():
            return 1.0
        can, place = self.can_position(), self.can_in_bin()
        phase = self.phase_now()
        if phase == RELEASE:
            return carried(1.0, float(np.linalg.norm(can - place)))
        if phase == REACH:
            return reached(self.gripper_pose()[0], can)
        return carried((can[2] - place[2]) / WALL, float(np.linalg.norm(can - place)))

    def expert(self, rng: np.random.Generator) -> Iterator[Step]:
        """Reaches, grasps, lifts, carries, places and releases; see `can_expert`."""
        return can_expert(self, rng)

    def failing_expert(
        self, rng: np.random.Generator, failure: np.random.Generator
    ) -> Iterator[Step]:
        """Lets go, goes to the wrong place, or stops half-way; see `sims.failures`."""
        return failing_steps(
            self,
            lambda world: can_expert(world, rng),
            failure,
            stops=(REACH, GRASP, LIFT, CARRY),
            slips=(LIFT, CARRY),
            places=("can_position",),
            distance=(0.08, 0.12),
        )


class CanArm(Arm, Protocol):
    """The arm, the can and the target bin, as the expert needs them."""

    def can_position(self) -> Float[np.ndarray, 3]:
        """Position of the can's middle in metres."""
        ...

    def base_position(self) -> Float[np.ndarray, 3]:
        """Position of the arm's mount, in metres."""
        ...

    def can_in_bin(self) -> Float[np.ndarray, 3]:
        """Position of the middle of a can that stands in the middle of its bin, in metres."""
        ...


@dataclass(frozen=True)
class Delivery:
    """The motion from the lifted can to its bin: speeds as in `Manner`, lengths in metres.

    Attributes:
        carry_speed: Speed from above one bin to above the other.
        place_speed: Speed down into the bin.
        retreat_speed: Speed up from the bin.
        height: Height of the can's middle above its place in the bin while it is carried. The
            bin's wall is 4 cm higher than the middle of a can that stands in it, and the can's
            half height is 4 cm.
        sag: Height of the middle of the path above its ends.
        spot: Position in the bin, relative to its middle.
        drop: Height above the floor from which the can drops.
        retreat: Height to which the hand rises above the can.
        turn: Turn of the hand about the vertical while it carries, in radians.
        lean: Angle by which the fingers then point outwards, in radians. The bin is at the limit
            of the arm's reach, and an upright hand would not reach it.
    """

    carry_speed: float
    place_speed: float
    retreat_speed: float
    height: float
    sag: float
    spot: Float[np.ndarray, 2]
    drop: float
    retreat: float
    turn: float
    lean: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Delivery:
        """Draws a delivery."""
        return cls(
            carry_speed=drawn_speed(rng, 0.6, 1.7),
            place_speed=drawn_speed(rng, 0.4, 1.2),
            retreat_speed=drawn_speed(rng, 0.5, 1.4),
            height=float(rng.uniform(0.11, 0.17)),
            sag=float(rng.uniform(-0.01, 0.05)),
            # The open fingers need room beside the can.
            spot=rng.uniform([-0.045, -0.06], [0.005, 0.02]),
            drop=float(rng.uniform(0.004, 0.025)),
            retreat=float(rng.uniform(0.1, 0.2)),
            # The arm turns by 0.7 between the bins. The hand turns with it, or else the wrist would
            # reach its limit.
            turn=float(rng.uniform(0.2, 0.9)),
            lean=float(rng.uniform(0.15, 0.35)),
        )


def can_expert(arm: CanArm, rng: np.random.Generator) -> Iterator[Step]:
    """Reaches for the can, grasps it, carries it into its bin, releases it and withdraws.

    Episodes vary as those of Lift's expert up to the grasp, then in the speed of each phase, height
    and curve of the path, a pause over the bin, the spot in the bin, and the height of the drop.
    """
    manner, delivery = Manner.draw(rng), Delivery.draw(rng)
    _, hand = arm.gripper_pose()
    angle = float(np.arctan2(hand[1, 0], hand[0, 0])) + rng.uniform(-0.5, 0.5)
    lean = float(rng.uniform(0, 2 * np.pi))
    mover = Mover(
        arm, rng, tilted(downward(angle), lean, manner.tilt), manner.tremor, manner.smoothing
    )
    target = Target(
        position=arm.can_position,
        above=(0.09, 0.15),
        ready=0.07,
        grasped=(0.0, 0.02),
        missed=(0.065, 0.075),
        detour=((-0.12, -0.12, 0.12), (0.12, 0.15, 0.26)),
    )
    yield from reach_and_grasp(mover, manner, target)
    outward = float(np.arctan2(*(arm.can_in_bin() - arm.base_position())[1::-1]))
    turned = tilted(downward(angle + delivery.turn), outward - np.pi / 2, delivery.lean)
    yield from _lift_and_carry(arm, mover, manner, delivery, turned)
    yield from _place_and_withdraw(arm, mover, delivery)


def _lift_and_carry(
    arm: CanArm,
    mover: Mover,
    manner: Manner,
    delivery: Delivery,
    turned: Float[np.ndarray, "3 3"],
) -> Iterator[Step]:
    """Lifts the can out of one bin and moves it over its place in the other."""
    start, _ = arm.gripper_pose()
    in_hand = arm.can_position() - start
    over = _place(arm, delivery) - in_hand + np.array([0, 0, delivery.height])
    aside = np.array([*mover.rng.uniform(-0.04, 0.04, 2), 0.0])
    up = np.array([start[0], start[1], over[2]]) + aside
    yield from mover.move_to(up, manner.lift_speed, LIFT, tolerance=0.02)
    mover.rotation = turned
    middle = (up + over) / 2 + np.array([mover.rng.uniform(-0.06, 0.06), 0, delivery.sag])
    yield from mover.move_to(middle, delivery.carry_speed, CARRY, tolerance=0.06)
    yield from mover.move_to(over, delivery.carry_speed, CARRY, tolerance=0.015)
    yield from mover.rest(pause(mover.rng, 0.25), CARRY)


def _place_and_withdraw(arm: CanArm, mover: Mover, delivery: Delivery) -> Iterator[Step]:
    """Lowers the can into its bin, opens the hand, and rises until it is well away from the can."""
    rng = mover.rng
    hand, _ = arm.gripper_pose()
    in_hand = arm.can_position() - hand
    goal = _place(arm, delivery) - in_hand + np.array([0, 0, delivery.drop])
    yield from mover.move_to(goal, delivery.place_speed, PLACE, tolerance=0.012, max_steps=30)
    mover.gripper = OPEN
    yield from mover.rest(int(rng.integers(4, 8)), RELEASE)
    hand, _ = arm.gripper_pose()
    away = hand + np.array([*rng.uniform(-0.03, 0.03, 2), delivery.retreat])
    yield from mover.move_to(away, delivery.retreat_speed, RELEASE, tolerance=0.02)


def _place(arm: CanArm, delivery: Delivery) -> Float[np.ndarray, 3]:
    return arm.can_in_bin() + np.append(delivery.spot, 0.0)
