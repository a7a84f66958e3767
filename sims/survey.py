"""Depth and instances of a picture: what simulators know about each pixel beside its colour."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8, UInt16

# The first two instances of every world; the objects of its task follow.
BACKGROUND, ROBOT = "background", "robot"
_MILLIMETRES = 1000
_FARTHEST = np.iinfo(np.uint16).max


class Survey(NamedTuple):
    """The content of one view.

    Attributes:
        depth: Distance along the optical axis to the surface at each pixel, in metres; 0 where
            there is none.
        instances: Position of each pixel's instance in `MultiViewEnv.instances`.
    """

    depth: Float[np.ndarray, "height width"]
    instances: UInt8[np.ndarray, "height width"]


def millimetres(depth: Float[np.ndarray, "height width"]) -> UInt16[np.ndarray, "height width"]:
    """Depth as episodes store it: whole millimetres, 0 for nothing and for more than 65.535 m.

    Args:
        depth: Metres, 0 where there is no surface.
    """
    rounded = np.rint(depth * _MILLIMETRES)
    return np.where(rounded <= _FARTHEST, rounded, 0).astype(np.uint16)
