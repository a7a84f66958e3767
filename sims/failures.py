"""Experts that are made to fail: they let go, go to the wrong place, or stop half-way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from sims.env import Step

# Episode numbers of failures begin here, so that a data set can get more episodes of either kind.
FIRST_FAILURE = 500_000
# Steps into a phase after which the hand opens or the actor stops, and for which it then stands.
_INTO_PHASE = (1, 5)
_STANDING = (15, 40)

Expert = Callable[[Any], Iterator[Step]]


class Displaced:
    """A world in which some places seem to be elsewhere, for an expert that reads it."""

    def __init__(self, world: object, offset: Float[np.ndarray, " 3"], places: Sequence[str]):
        """Keeps its arguments.

        Args:
            world: The world as it is.
            offset: How far the places seem to be off, in metres.
            places: Methods of the world that return a position, several, or position and rotation.
        """
        self._world, self._offset, self._places = world, offset, places

    def __getattr__(self, name: str) -> Any:
        """The world's own method, with its places displaced."""
        method = getattr(self._world, name)
        if name not in self._places:
            return method

        def displaced() -> Any:
            found = method()
            if isinstance(found, tuple):
                return (self._moved(found[0]), *found[1:])
            return self._moved(found)

        return displaced

    def _moved(self, place: np.ndarray) -> np.ndarray:
        return place + self._offset[: place.shape[-1]]


def failing_steps(
    world: object,
    expert: Expert,
    rng: np.random.Generator,
    *,
    stops: Sequence[int],
    slips: Sequence[int],
    places: Sequence[str],
    distance: tuple[float, float],
) -> Iterator[Step]:
    """The steps of an expert in one of three ways to fail, which `rng` draws.

    The failure is not certain, since a cube may fall where it should stand: judge the episode.

    Args:
        world: What the expert reads.
        expert: Yields steps, given a world.
        rng: Source of the failure; the expert has its own.
        stops: Phases in which the actor may stop for good.
        slips: Phases in which the last entry of the action may turn to -1 for good: the hand opens,
            or the arm no longer strikes.
        places: The world's methods that a wrong place displaces.
        distance: Least and largest horizontal distance of the wrong place, in metres.
    """
    kind = rng.integers(3)
    if kind == 0:
        return _stopping(expert(world), int(rng.choice(stops)), rng)
    if kind == 1:
        return _slipping(expert(world), int(rng.choice(slips)), rng)
    angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(*distance)
    offset = far * np.array([np.cos(angle), np.sin(angle), 0.0])
    return expert(Displaced(world, offset, places))


def _stopping(steps: Iterator[Step], phase: int, rng: np.random.Generator) -> Iterator[Step]:
    left = int(rng.integers(*_INTO_PHASE))
    for step in steps:
        yield step
        left -= step.phase == phase
        if left <= 0:
            still = np.append(np.zeros(len(step.action) - 1), step.action[-1])
            for _ in range(int(rng.integers(*_STANDING))):
                yield Step(still, step.phase)
            return


def _slipping(steps: Iterator[Step], phase: int, rng: np.random.Generator) -> Iterator[Step]:
    left = int(rng.integers(*_INTO_PHASE))
    for step in steps:
        left -= step.phase == phase
        loose = np.append(step.action[:-1], -1.0)
        yield Step(loose, step.phase) if left <= 0 else step
