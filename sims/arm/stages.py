"""How far a hand has come with an object, by stages: reach it, lift it, carry it.

Each stage begins where the one before ends, so that progress rises with every part of the task.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

# Progress at which the object is in the hand, and at which it is lifted to be carried.
HELD, RAISED = 0.4, 0.6
# Steepness in 1 / metre, as of robosuite's own rewards: at 0.1 m, a quarter of a stage is done.
_NEAR = 10.0
_NEAR_PLACE = 4.0
# Nearness, of 1 at the place, from which on it no longer matters how high the object is: 0.14 m.
_SETTING_DOWN = 0.5


def reached(hand: Float[np.ndarray, 3], thing: Float[np.ndarray, 3]) -> float:
    """Progress of an empty hand, given positions in metres; below `HELD`."""
    distance = float(np.linalg.norm(hand - thing))
    return HELD * (1 - float(np.tanh(_NEAR * distance)))


def lifted(share: float) -> float:
    """Progress of a hand that holds the object, by the share of the height; from `HELD` to 1."""
    return HELD + (1 - HELD) * float(np.clip(share, 0, 1))


def carried(share: float, distance: float) -> float:
    """Progress of a hand that lifts the object and carries it to a place.

    Args:
        share: Share of the height at which it counts as lifted.
        distance: Distance from the object to its place, in metres.
    """
    near = 1 - float(np.tanh(_NEAR_PLACE * distance))
    # Close to its place, an object that is set down has been lifted before.
    raised = float(np.clip(max(share, near / _SETTING_DOWN), 0, 1))
    return HELD + (RAISED - HELD) * raised + (1 - RAISED) * raised * near
