"""Advice on the next click."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from datasets.calibration.calibrator import Calibrated
from datasets.calibration.clicks import Click
from datasets.calibration.solve import LEAST_CLICKS
from datasets.errors import counted

# With 12 clicks off by 2 pixels of 224, keypoints were off by 1.5 pixels in the mean; see
# docs/own-robot.md.
ENOUGH_CLICKS = 12
# In one frame, links lie almost in a plane, which leaves the camera uncertain.
ENOUGH_FRAMES = 3
# Clicks that cover less than this share of the picture in both directions lie in one corner.
_NARROW = 0.25


def advice(clicks: Sequence[Click], size: tuple[int, int], solved: Calibrated | None) -> str:
    """Advice for one view.

    Args:
        clicks: Its clicks.
        size: Height and width of its pictures.
        solved: Its camera; None where there is none yet.
    """
    if not clicks:
        return (
            f"Click where the chosen link is. A first camera needs {LEAST_CLICKS} clicks, a good "
            f"one {ENOUGH_CLICKS} in {ENOUGH_FRAMES} frames or more."
        )
    frames = len({(click.episode, click.frame) for click in clicks})
    missing = LEAST_CLICKS - len(clicks)
    if missing > 0:
        return f"{counted(missing, 'more click')} for a first camera, spread over the picture."
    if solved is None:
        return f"{len(clicks)} clicks do not tell the camera yet."
    if wrong := int(solved.solved.outliers.sum()):
        return (
            f"{counted(wrong, 'click')} left out: delete and click again, unless the link's name "
            "was wrong."
        )
    if frames < ENOUGH_FRAMES:
        return "Go to a frame in which the robot stands differently (n), and click there."
    if (missing := ENOUGH_CLICKS - len(clicks)) > 0:
        return f"{counted(missing, 'more click')}, {_where(clicks, size)}."
    return "Enough. Look whether the outline fits in other frames (s), then save."


def _where(clicks: Sequence[Click], size: tuple[int, int]) -> str:
    places = np.array([[click.x, click.y] for click in clicks])
    if (np.ptp(places, axis=0) / size[::-1] < _NARROW).all():
        return "farther apart: all of them are in one part of the picture"
    return "spread over the picture"


def spread_times(values: Float[np.ndarray, "time joints"], count: int) -> list[int]:
    """Time steps at which a robot stands as differently as possible, in order.

    Each is the one farthest from those before it, beginning with the first.
    """
    scaled = values / np.maximum(np.ptp(values, axis=0), 1e-9)
    chosen = [0]
    apart = np.linalg.norm(scaled - scaled[0], axis=1)
    while len(chosen) < min(count, len(values)):
        chosen.append(int(apart.argmax()))
        apart = np.minimum(apart, np.linalg.norm(scaled - scaled[chosen[-1]], axis=1))
    return sorted(set(chosen))
