"""The two families of actions: clips as they were captured, and everyday actions made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from sims.mocap.everyday.actions import SCORES, perform_everyday
from sims.mocap.everyday.props import Prop
from sims.mocap.everyday.scene import Home
from sims.mocap.motion import ACTIONS, Motion, Style, load_motion, perform
from sims.mocap.room import Room
from sims.mocap.subject import Subject

# The names of each family's actions. A data set holds one family, since their rooms differ.
FAMILIES: Mapping[str, tuple[str, ...]] = {"athletic": ACTIONS, "everyday": tuple(SCORES)}
# Everyday actions are counted from here in seeds, whatever their number and that of the clips.
FIRST_EVERYDAY = 1000


class Act(NamedTuple):
    """A subject's action in a take, and the kind of room.

    Attributes:
        motion: The body's motion.
        props: Furniture and objects, in the frame of the motion.
        rooms: The kind of room.
        on_floor: Whether the motion is in metres of this body above the floor; otherwise it is in
            metres of the captured person and has to be set on the floor.
    """

    motion: Motion
    props: tuple[Prop, ...]
    rooms: type[Room] | type[Home]
    on_floor: bool


def family_of(action: str) -> str:
    """The family that an action belongs to.

    Raises:
        StopIteration: When it belongs to none.
    """
    return next(family for family, names in FAMILIES.items() if action in names)


def number_of(action: str) -> int:
    """The number of an action among all, from which its takes are drawn."""
    if action in ACTIONS:
        return ACTIONS.index(action)
    return FIRST_EVERYDAY + tuple(SCORES).index(action)


def rehearse(action: str, subject: Subject, style: Style, rng: np.random.Generator) -> Act:
    """Draws a subject's take of an action.

    Raises:
        SimulatorError: When PyBullet is not installed.
    """
    if action in ACTIONS:
        return Act(perform(load_motion(action), style, rng), (), Room, on_floor=False)
    performance = perform_everyday(action, subject, style, rng)
    return Act(performance.motion, performance.props, Home, on_floor=True)
