"""The settings of worlds from scene files, and what they must be like."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from gymnasium.spaces import Box

from datasets.errors import shortened
from sims.errors import OptionError
from sims.scenes.viewpoints import Viewpoint

if TYPE_CHECKING:
    from sims.scenes.env import SceneEnv

# Settings that list something. A single word would be read as a list of its letters.
LISTS = ("points", "bones", "third_person", "phases", "joints")
# Episodes store phases in one byte.
MOST_PHASES = 256

Point = tuple[float, float, float]


class Settings(TypedDict, total=False):
    """The attributes and methods of `SceneEnv` that its constructor takes in their place."""

    points: Sequence[str]
    bones: Sequence[tuple[str, str]]
    third_person: Sequence[str | Viewpoint]
    ego: str | Viewpoint
    phases: tuple[str, ...]
    control_hz: float
    workspace: tuple[Point, Point] | None
    max_steps: int
    action_range: tuple[Sequence[float], Sequence[float]] | None
    act: Callable[[Any], Iterator[Any]]
    randomize: Callable[[Any, np.random.Generator], None]
    solved: Callable[[Any], bool]
    control: Callable[[Any, np.ndarray], np.ndarray]


def require_sound(env: SceneEnv) -> None:
    """Checks the settings that are judged without the scene.

    Raises:
        OptionError: At the first one that cannot be used; says what it must be.
    """
    for name in LISTS:
        if isinstance(word := getattr(env, name, ()), str):
            raise OptionError(f"{name} is {word!r}, a single word: give a list, [{word!r}].")
    if not isinstance(env.scene, str | Path):
        raise OptionError(f"scene is {env.scene!r}: give the path of a file.")
    if not 0 < len(set(env.phases)) == len(env.phases) <= MOST_PHASES:
        given = shortened(env.phases, 5) or "none"
        raise OptionError(f"phases are {given}: give 1 to {MOST_PHASES} names that differ.")
    rate, steps = env.control_hz, env.max_steps
    if not (isinstance(rate, Real) and 0 < rate < math.inf):
        raise OptionError(f"control_hz is {rate!r}: it must be a number above 0.")
    if not (isinstance(steps, Integral) and steps > 0):
        raise OptionError(f"max_steps is {steps!r}: it must be a whole number, at least 1.")


def action_box(low: Any, high: Any) -> Box:
    """The space between the least and the greatest action.

    Raises:
        OptionError: When they are not two rows of as many numbers, the lower ones first.
    """
    least, greatest = np.array(low, float), np.array(high, float)
    if least.ndim != 1 or least.shape != greatest.shape or not (least <= greatest).all():
        raise OptionError(
            "action_range must hold the least action first and the greatest next, such as "
            f"([-1, -1], [1, 1]), got {low} and {high}."
        )
    return Box(least, greatest, dtype=np.float64)
