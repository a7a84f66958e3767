"""Smooth paths through points at given moments, and small random deviations from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

Path = Float[np.ndarray, "time 3"]
Waypoint = Float[np.ndarray, "3"] | Path

# Standard deviation of a hand's deviation from its path in metres, and its frequencies in Hz.
TREMBLE, TREMBLE_HZ = 0.008, (0.4, 1.6)


def through(
    share: Float[np.ndarray, " time"], moments: Sequence[float], points: Sequence[Waypoint]
) -> Path:
    """A path that rests at each point at its moment; a point may move over time.

    Between two moments the path is that of least jerk, as people's hands move.

    Args:
        share: Time of each frame, from 0 to 1.
        moments: Increasing times of the points.
        points: As many points.
    """
    moving = np.stack([np.broadcast_to(point, (len(share), 3)) for point in points])
    weights = _weights(share, moments)
    return np.einsum("kt,ktd->td", weights, moving)


def swell(
    share: Float[np.ndarray, " time"], moments: Sequence[float], values: Sequence[float]
) -> Float[np.ndarray, " time"]:
    """A number that changes as smoothly, from value to value."""
    return np.asarray(values, float) @ _weights(share, moments)


def ease(share: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """From 0 at 0 to 1 at 1 with least jerk."""
    part = np.clip(share, 0.0, 1.0)
    return part**3 * (10 + part * (6 * part - 15))


def _weights(
    share: Float[np.ndarray, " time"], moments: Sequence[float]
) -> Float[np.ndarray, "points time"]:
    """How much each point counts at each time; they sum to 1."""
    begun = [np.ones_like(share)]
    for first, last in zip(moments[:-1], moments[1:], strict=True):
        begun.append(ease((share - first) / max(last - first, 1e-6)))
    begun.append(np.zeros_like(share))
    steps = np.stack(begun)
    return steps[:-1] - steps[1:]


def tremble(rng: np.random.Generator, seconds: Float[np.ndarray, " time"]) -> Path:
    """Slow deviations of a hand from its path."""
    pace, phase = rng.uniform(*TREMBLE_HZ, 3), rng.uniform(0, 2 * np.pi, 3)
    reach = rng.normal(0, TREMBLE * np.sqrt(2), 3)
    return reach * np.sin(2 * np.pi * pace * seconds[:, None] + phase)
