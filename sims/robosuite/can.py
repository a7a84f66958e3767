"""robosuite's PickPlaceCan: a Panda carries a can from one bin into its place in another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np
from jaxtyping import Float

from sims.arm.approach import GRASP, REACH, Manner, Target, drawn_speed, pause, reach_and_grasp
from sims.arm.expert import OPEN, Arm, Mover, downward, tilted
from sims.env import Step
from sims.robosuite.env import RobosuiteEnv

PHASES = ("reach", "grasp", "lift", "carry", "place", "release")
assert (PHASES[REACH], PHASES[GRASP]) == ("reach", "grasp")
LIFT, CARRY, PLACE, RELEASE = 2, 3, 4, 5


class CanArm(Arm, Protocol):
    """An arm, the can that it carries, and the bin that the can belongs into."""

    def can_position(self) -> Float[np.ndarray, 3]:
        """Position of the can's middle in metres."""
        ...

    def base_position(self) -> Float[np.ndarray, 3]:
        """Where the arm is mounted, in metres."""
        ...

    def can_in_bin(self) -> Float[np.ndarray, 3]:
        """Where the can's middle is when it stands in the middle of its bin, in metres."""
        ...


@dataclass(frozen=True)
class Delivery:
    """How the can is brought to its bin: speeds as in `Manner`, lengths in metres.

    Attributes:
        carry_speed: On the way from above one bin to above the other.
        place_speed: Down into the bin.
        retreat_speed: Up from the bin.
        height: Of the can's middle over its place in the bin, on the way; the bin's wall is 4 cm
            higher than the middle of a can that stands in it, and the can's half height is 4 cm.
        sag: How much higher the middle of the way is than its ends.
        spot: Place in the bin, from its middle.
        drop: Height over the floor from which the can is let go.
        retreat: Height to which the hand goes up from the can.
        turn: How far the hand turns about the vertical on the way, in radians.
        lean: How far the fingers then point outwards, in radians: upright, the hand would not
            reach, for the bin is at the limit of the arm's reach.
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
            # With the arm, which turns by 0.7 between the bins: else its wrist comes to its limit.
            turn=float(rng.uniform(0.2, 0.9)),
            lean=float(rng.uniform(0.15, 0.35)),
        )


def can_expert(arm: CanArm, rng: np.random.Generator) -> Iterator[Step]:
    """Reaches for the can, grasps it, carries it into its bin, lets go and withdraws.

    Variation: that of Lift's expert up to the grasp, then the speed of each phase, height and
    curve of the way, a pause over the bin, the spot in the bin, and from how high the can drops.
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
    """Lifts the can out of one bin and brings it over its place in the other."""
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
    """Lowers the can into its bin, lets go, and goes up until the hand is well away from it."""
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
        """Reaches, grasps, lifts, carries, places and lets go; see `sims.robosuite.can`."""
        return can_expert(self, rng)
