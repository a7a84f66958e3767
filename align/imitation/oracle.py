"""The simulator's own progress: what a reward from video is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from align.imitation.config import World

Observation = Mapping[str, np.ndarray]
# Within this many metres of the cube, the hand's way to it counts.
_NEAR = 0.1
# Share of the progress that lies in reaching the cube.
_REACH = 0.3
# Lift is solved when the cube is this many metres above the table.
_LIFTED = 0.04
# Places in the observation `object` of Lift (robosuite) and Pick: the cube's position, the vector
# between hand and cube, and in Pick the vector from the cube to its spot.
_CUBE, _HAND, _SPOT = slice(0, 3), slice(7, 10), slice(10, 13)


class OraclePotential:
    """Progress by true distances, from 0 to 1: a `Potential`, see `align.reward`.

    - minecraft: the share of the way to the goal that lies behind the player.
    - lift: 30 % for the hand's nearness to the cube, 70 % for the cube's height.
    - pick: 30 % for the hand's nearness, 70 % for the share of the cube's way to its spot.

    A solved task has progress 1.
    """

    def __init__(self, world: World) -> None:
        """Chooses the rule of a world."""
        self._world = world

    def begin(self, env: Any, observation: Observation) -> float:
        """See `Potential`."""
        self._first = observation
        return self.now(env, observation)

    def now(self, env: Any, observation: Observation) -> float:
        """See `Potential`."""
        return 1.0 if env.success() else float(np.clip(self._share(observation), 0, 1))

    def _share(self, observation: Observation) -> float:
        match self._world:
            case "minecraft":
                return _behind(self._first["goal_pos"], observation["goal_pos"])
            case "lift":
                cube, start = observation["object"][_CUBE], self._first["object"][_CUBE]
                return _with_reach(observation, (cube[2] - start[2]) / _LIFTED)
            case "pick":
                way = _behind(self._first["object"][_SPOT], observation["object"][_SPOT])
                return _with_reach(observation, way)


def _behind(first: Float[np.ndarray, 3], now: Float[np.ndarray, 3]) -> float:
    """The share of the distance at first that is left behind."""
    whole = float(np.linalg.norm(first))
    return 1 - float(np.linalg.norm(now)) / whole if whole > 0 else 1.0


def _with_reach(observation: Observation, rest: float) -> float:
    distance = float(np.linalg.norm(observation["object"][_HAND]))
    reach = 1 - float(np.tanh(distance / _NEAR))
    return _REACH * reach + (1 - _REACH) * min(max(rest, 0.0), 1.0)
