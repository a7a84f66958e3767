"""The everyday actions by name, and how a subject performs one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from sims.mocap.everyday import handling, moving
from sims.mocap.everyday.build import Build
from sims.mocap.everyday.draft import Draft
from sims.mocap.everyday.props import Prop
from sims.mocap.motion import Motion, Style, mirrored
from sims.mocap.subject import Subject

# How often a person uses the other hand than usual.
OTHER_HAND = 0.15


class Score(NamedTuple):
    """How an action is performed.

    Attributes:
        compose: Composes it into a draft.
        seconds: Range of its duration at usual speed.
    """

    compose: Callable[[Draft], None]
    seconds: tuple[float, float]


class Performance(NamedTuple):
    """A take of an everyday action.

    Attributes:
        motion: The body's motion in metres above the floor y = 0.
        props: Furniture and objects, in the frame of the motion.
    """

    motion: Motion
    props: tuple[Prop, ...]


# The first ones differ most: a layout with fewer classes takes these.
SCORES: Mapping[str, Score] = {
    "sit_down": Score(moving.sit_down, (1.4, 2.0)),
    "stand_up": Score(moving.stand_up, (1.4, 2.0)),
    "walk_about": Score(moving.walk, (1.4, 1.6)),
    "carry_tray": Score(moving.carry_tray, (1.4, 1.6)),
    "pick_up": Score(moving.pick_up, (1.5, 2.2)),
    "reach_shelf": Score(moving.reach_shelf, (1.5, 2.2)),
    "wave": Score(handling.wave, (1.35, 1.9)),
    "drink_from_cup": Score(handling.drink_from_cup, (1.5, 2.2)),
    "pour": Score(handling.pour, (1.5, 2.2)),
    "use_phone": Score(handling.use_phone, (1.35, 1.9)),
    "read_book": Score(handling.read_book, (1.35, 1.9)),
    "use_laptop": Score(handling.use_laptop, (1.35, 1.9)),
    "wipe_table": Score(handling.wipe_table, (1.35, 1.9)),
    "eat": Score(handling.eat, (1.7, 2.4)),
    "stir": Score(handling.stir, (1.35, 1.9)),
    "cut_bread": Score(handling.cut_bread, (1.35, 1.9)),
    "drink_from_bottle": Score(handling.drink_from_bottle, (1.5, 2.2)),
}


def perform_everyday(
    action: str, subject: Subject, style: Style, rng: np.random.Generator
) -> Performance:
    """A take of one of `SCORES`; left-handed people perform its mirror image.

    Raises:
        KeyError: For another name.
        SimulatorError: When PyBullet is not installed.
    """
    score = SCORES[action]
    draft = Draft(rng, Build.of(subject), style, score.seconds)
    score.compose(draft)
    motion, props = draft.actor.motion, tuple(draft.props)
    if style.left_handed != (rng.random() < OTHER_HAND):
        return Performance(mirrored(motion), tuple(prop.mirrored() for prop in props))
    return Performance(motion, props)
