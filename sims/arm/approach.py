"""The scripted reach for a small object and the grasp of it, varied like people's motions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sims.arm.expert import CLOSED, OPEN, Mover
from sims.env import Step

REACH, GRASP = range(2)
# Fewest time steps in which the hand closes.
CLOSING_STEPS = 5

Range = tuple[float, float]


@dataclass(frozen=True)
class Manner:
    """The style of one episode, drawn once at its start.

    Speeds are fractions of the full action. They differ by a factor of about 3 between episodes and
    independently between phases, so that the elapsed share of an episode does not reveal the phase.
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
            reach_speed=drawn_speed(rng, 0.55, 1.5),
            descend_speed=drawn_speed(rng, 0.4, 1.1),
            lift_speed=drawn_speed(rng, 0.45, 1.4),
            tremor=float(rng.uniform(0.01, 0.05)),
            smoothing=float(rng.uniform(0.2, 0.6)),
            # A miss excludes detours, so that no episode is several times as long as another.
            detours=0 if missed else int(rng.choice(3, p=(0.35, 0.45, 0.2))),
            misses=int(missed),
            tilt=float(rng.normal(0, 0.06)),
        )


@dataclass(frozen=True)
class Target:
    """An object, and the hand's heights during the approach, in metres above its middle.

    Attributes:
        position: Returns the current position of the object's middle, in world metres.
        above: Range of the height at which the hand stops before it descends.
        ready: Height at which the fingers begin to pass the object's sides.
        grasped: Range of the height at which the fingers close.
        missed: Range of the height at which they close on air instead, for a miss.
        detour: Lower and upper corner, relative to the object, of the box of detours.
    """

    position: Callable[[], Float[np.ndarray, 3]]
    above: Range
    ready: float
    grasped: Range
    missed: Range
    detour: tuple[tuple[float, float, float], tuple[float, float, float]]


def drawn_speed(rng: np.random.Generator, low: float, high: float) -> float:
    """Draws a speed, uniform in its logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def pause(rng: np.random.Generator, probability: float) -> int:
    """Draws the length of a pause in steps; 0 without a pause."""
    return int(rng.integers(2, 7)) if rng.random() < probability else 0


def reach_and_grasp(mover: Mover, manner: Manner, target: Target) -> Iterator[Step]:
    """Reaches for an object and closes the hand on it; after a miss it tries again.

    Episodes vary in a pause before, detours, the side of the approach and the grasp's position.
    """
    rng = mover.rng
    yield from mover.rest(pause(rng, 0.3), REACH)
    yield from _wander(mover, manner, target)
    for miss in reversed(range(manner.misses + 1)):
        yield from _descend(mover, manner, target, miss=miss > 0)
        mover.gripper = CLOSED
        yield from mover.rest(CLOSING_STEPS + int(rng.integers(0, 4)), GRASP)
        if miss:
            mover.gripper = OPEN
            yield from mover.rest(int(rng.integers(3, 6)), GRASP)


def _wander(mover: Mover, manner: Manner, target: Target) -> Iterator[Step]:
    """Passes through points away from the straight path to the object."""
    rng = mover.rng
    for _ in range(manner.detours):
        place = target.position() + rng.uniform(*target.detour)
        yield from mover.move_to(place, manner.reach_speed, REACH, tolerance=0.03)
        yield from mover.rest(pause(rng, 0.2), REACH)


def _descend(mover: Mover, manner: Manner, target: Target, miss: bool) -> Iterator[Step]:
    """Descends on the object from a random side, or stays too high for a miss."""
    rng = mover.rng
    middle = target.position()
    around = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(around), np.sin(around), 0.0])
    height = rng.uniform(*target.above)
    above = middle + rng.uniform(0, 0.05) * direction + np.array([0, 0, height])
    yield from mover.move_to(above, manner.reach_speed, REACH, tolerance=0.015)
    yield from mover.rest(pause(rng, 0.25), REACH)
    middle = target.position()  # the object may have moved since
    if miss:  # the fingers close on air above the object
        goal = middle + np.array([0, 0, rng.uniform(*target.missed)])
    else:
        ready = middle + np.array([0, 0, target.ready])
        yield from mover.move_to(ready, manner.descend_speed, REACH, tolerance=0.012)
        goal = middle + np.array([*rng.uniform(-0.004, 0.004, 2), rng.uniform(*target.grasped)])
    yield from mover.move_to(goal, manner.descend_speed, REACH, tolerance=0.007)
