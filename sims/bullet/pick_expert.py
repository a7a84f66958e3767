"""A scripted expert for Pick, varied like people's motions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float

from sims.arm.approach import GRASP, REACH, Manner, Target, drawn_speed, pause, reach_and_grasp
from sims.arm.expert import Arm, Mover, downward, nearest_grasp_angle, tilted
from sims.env import Step

PHASES = ("reach", "grasp", "lift", "carry", "place")
assert (PHASES[REACH], PHASES[GRASP]) == ("reach", "grasp")
LIFT, CARRY, PLACE = 2, 3, 4


class PickArm(Arm, Protocol):
    """The arm, the cube and the target spot, as the expert needs them."""

    def cube_pose(self) -> tuple[Float[np.ndarray, 3], Float[np.ndarray, "3 3"]]:
        """Position of the cube's middle in metres, and its rotation."""
        ...

    def cube_on_spot(self) -> Float[np.ndarray, 3]:
        """Position of the middle of a cube that stands in the middle of the spot, in metres."""
        ...


@dataclass(frozen=True)
class Transport:
    """The motion of the lifted cube to the spot: speeds as in `Manner`, lengths in metres.

    Attributes:
        carry_speed: Speed from the lift to above the spot.
        place_speed: Speed down onto the spot.
        height: Height of the cube above the table while it is carried.
        bow: Offset of the path's middle from the straight path, to the side and upwards.
        turn: Turn of the hand about the vertical while it carries, in radians.
        aside: Offset from the spot's middle.
    """

    carry_speed: float
    place_speed: float
    height: float
    bow: Float[np.ndarray, 2]
    turn: float
    aside: Float[np.ndarray, 2]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Transport:
        """Draws a transport."""
        return cls(
            carry_speed=drawn_speed(rng, 0.45, 1.4),
            place_speed=drawn_speed(rng, 0.35, 1.0),
            height=float(rng.uniform(0.1, 0.22)),
            bow=rng.uniform([-0.08, -0.02], [0.08, 0.06]),
            turn=float(rng.normal(0, 0.35)),
            aside=rng.uniform(-0.012, 0.012, 2),
        )


def pick_expert(arm: PickArm, rng: np.random.Generator) -> Iterator[Step]:
    """Reaches for the cube, grasps it, lifts it, carries it to the spot and sets it down there.

    Episodes vary as those of Lift's expert up to the grasp, then in the speed of each phase, the
    height, bow and turn of the path, pauses, and the position on the spot.
    """
    manner, transport = Manner.draw(rng), Transport.draw(rng)
    _, hand = arm.gripper_pose()
    _, cube = arm.cube_pose()
    angle = nearest_grasp_angle(hand, cube)
    lean = float(rng.uniform(0, 2 * np.pi))
    rotation = tilted(downward(angle), lean, manner.tilt)
    mover = Mover(arm, rng, rotation, manner.tremor, manner.smoothing)
    target = Target(
        position=lambda: arm.cube_pose()[0],
        above=(0.07, 0.13),
        ready=0.055,
        grasped=(-0.008, 0.004),
        missed=(0.05, 0.06),
        detour=((-0.12, -0.2, 0.12), (0.1, 0.2, 0.3)),
    )
    yield from reach_and_grasp(mover, manner, target)
    yield from _lift(mover, manner, transport)
    mover.rotation = tilted(downward(angle + transport.turn), lean, manner.tilt)
    yield from _carry(arm, mover, transport)
    yield from _place(arm, mover, transport)


def _lift(mover: Mover, manner: Manner, transport: Transport) -> Iterator[Step]:
    """Lifts the cube from the table."""
    start, _ = mover.arm.gripper_pose()
    aside = mover.rng.uniform(-0.03, 0.03, 2)
    goal = start + np.array([*aside, transport.height])
    yield from mover.move_to(goal, manner.lift_speed, LIFT, tolerance=0.02)
    yield from mover.rest(pause(mover.rng, 0.2), LIFT)


def _carry(arm: PickArm, mover: Mover, transport: Transport) -> Iterator[Step]:
    """Carries the cube over the spot along a bow."""
    start, _ = arm.gripper_pose()
    over = _goal(arm, transport) + np.array([0, 0, 0.7 * transport.height])
    along = (over - start)[:2]
    across = np.array([-along[1], along[0]]) / max(float(np.linalg.norm(along)), 1e-6)
    middle = (start + over) / 2 + np.append(transport.bow[0] * across, transport.bow[1])
    yield from mover.move_to(middle, transport.carry_speed, CARRY, tolerance=0.05)
    yield from mover.move_to(over, transport.carry_speed, CARRY, tolerance=0.012)
    yield from mover.rest(pause(mover.rng, 0.25), CARRY)


def _place(arm: PickArm, mover: Mover, transport: Transport) -> Iterator[Step]:
    """Lowers the cube until it stands on the spot, and holds it there for a moment."""
    goal = _goal(arm, transport)
    yield from mover.move_to(goal, transport.place_speed, PLACE, tolerance=0.006, max_steps=40)
    yield from mover.rest(int(mover.rng.integers(3, 8)), PLACE)


def _goal(arm: PickArm, transport: Transport) -> Float[np.ndarray, 3]:
    """Position of a hand whose cube stands on the spot, in metres."""
    hand, _ = arm.gripper_pose()
    in_hand = arm.cube_pose()[0] - hand
    return arm.cube_on_spot() - in_hand + np.append(transport.aside, 0.002)
