"""Furniture and held objects: parts with colours, and where they are over a take.

In the frame of a prop, y points up and the origin is the middle of what it stands on, or the middle
of what a hand holds. Lengths are in metres.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from sims.mocap.subject import Color

Triple = tuple[float, float, float]
TOP = 0.02  # half of the thickness of table tops, seats and boards
LEG = 0.025  # half of the width of a leg of furniture


class Part(NamedTuple):
    """A shape of a prop.

    Attributes:
        kind: box or cylinder, which stands upright.
        size: Half edges of a box; radius, height and nothing of a cylinder.
        offset: Position of its middle.
        color: RGB from 0 to 1.
        patterned: Whether it gets a random texture.
    """

    kind: Literal["box", "cylinder"]
    size: Triple
    offset: Triple
    color: Color
    patterned: bool = False


@dataclass(frozen=True, eq=False)
class Prop:
    """An object of a take.

    Attributes:
        parts: What it consists of.
        positions: In the frame of the motion, for each frame or for all.
        turns: Quaternions x, y, z, w likewise.
    """

    parts: tuple[Part, ...]
    positions: Float[np.ndarray, "time 3"]
    turns: Float[np.ndarray, "time 4"]

    @property
    def moves(self) -> bool:
        """Whether it has a position for each frame."""
        return len(self.positions) > 1

    def mirrored(self) -> Prop:
        """Its mirror image across z = 0, as of a motion; its parts stay as they are."""
        return replace(
            self, positions=self.positions * (1, 1, -1), turns=self.turns * (-1, -1, 1, 1)
        )


def standing(parts: tuple[Part, ...], place: Triple, yaw: float = 0.0) -> Prop:
    """A prop that stays at a place, turned about the vertical by `yaw` radians."""
    turn = Rotation.from_euler("y", yaw).as_quat()
    return Prop(parts, np.array([place], float), turn[None])


def moving(
    parts: tuple[Part, ...], positions: Float[np.ndarray, "time 3"], turns: Rotation
) -> Prop:
    """A prop that is carried along a path."""
    count = len(positions)
    return Prop(parts, positions, np.broadcast_to(turns.as_quat(), (count, 4)).copy())


def paint(rng: np.random.Generator, least: float = 0.35) -> Color:
    """A random colour that is at least so bright."""
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.1, 0.85), rng.uniform(least, 1.0))


def _legs(half: tuple[float, float], height: float, color: Color) -> list[Part]:
    return [
        Part("box", (LEG, height / 2, LEG), (x * (half[0] - LEG), height / 2, z), color)
        for x in (-1, 1)
        for z in (-half[1] + LEG, half[1] - LEG)
    ]


def table(rng: np.random.Generator, half: tuple[float, float], height: float) -> tuple[Part, ...]:
    """A table of a height, with half of its depth and of its width."""
    color, top = paint(rng), paint(rng)
    board = Part("box", (half[0], TOP, half[1]), (0, height - TOP, 0), top, True)
    if rng.random() < 0.4:  # a cupboard
        body = Part("box", (0.9 * half[0], height / 2 - TOP, 0.95 * half[1]), (0, 0, 0), color)
        return board, body._replace(offset=(0, height / 2 - TOP, 0), patterned=True)
    return (board, *_legs(half, height - 2 * TOP, color))


def chair(rng: np.random.Generator, height: float) -> tuple[Part, ...]:
    """A chair or stool with its seat at a height; who sits on it faces +x."""
    color, seat = paint(rng), paint(rng)
    half = (0.21, float(rng.uniform(0.2, 0.26)))
    parts = [Part("box", (half[0], TOP, half[1]), (0, height - TOP, 0), seat, True)]
    parts += _legs(half, height - 2 * TOP, color)
    if rng.random() < 0.8:
        tall = float(rng.uniform(0.2, 0.27))
        back = (-half[0] + TOP, height + tall + 0.03, 0.0)
        parts.append(Part("box", (TOP, tall, half[1]), back, seat, True))
    if rng.random() < 0.25:
        parts += [
            Part("box", (half[0], 0.03, 0.03), (0, height + 0.2, sign * (half[1] + 0.03)), color)
            for sign in (-1, 1)
        ]
    return tuple(parts)


def shelf(rng: np.random.Generator, half: tuple[float, float], height: float) -> tuple[Part, ...]:
    """A high shelf with its board at a height, on one post at its right end.

    More posts would hide the person from a camera that the shelf stands in front of.
    """
    color = paint(rng)
    return (
        Part("box", (half[0], TOP, half[1]), (0, height - TOP, 0), color),
        Part("box", (half[0], height / 2, TOP), (0, height / 2, half[1]), color, True),
    )


def cup(rng: np.random.Generator) -> tuple[Part, ...]:
    """A cup or glass, held in its middle."""
    radius, height = float(rng.uniform(0.035, 0.045)), float(rng.uniform(0.09, 0.13))
    color = paint(rng)
    parts = [Part("cylinder", (radius, height, 0), (0, 0, 0), color)]
    if rng.random() < 0.6:
        parts.append(Part("box", (0.025, 0.03, 0.008), (radius + 0.02, 0, 0), color))
    return tuple(parts)


def bottle(rng: np.random.Generator) -> tuple[Part, ...]:
    """A bottle, held in its middle."""
    radius, height, color = float(rng.uniform(0.035, 0.045)), 0.2, paint(rng)
    return (
        Part("cylinder", (radius, height, 0), (0, 0, 0), color),
        Part("cylinder", (radius * 0.4, 0.09, 0), (0, height / 2 + 0.045, 0), paint(rng)),
    )


def tray(rng: np.random.Generator, width: float) -> tuple[Part, ...]:
    """A tray with dishes, held at both sides."""
    board = Part("box", (0.15, 0.012, width / 2), (0, 0, 0), paint(rng), True)
    dishes = [
        Part(
            "cylinder",
            (float(rng.uniform(0.035, 0.06)), float(rng.uniform(0.05, 0.14)), 0),
            (float(rng.uniform(-0.07, 0.07)), 0.06, z * width / 4),
            paint(rng),
        )
        for z in (-1, 0, 1)
        if rng.random() < 0.75
    ]
    return board, *dishes


def phone(rng: np.random.Generator) -> tuple[Part, ...]:
    """A telephone, whose long side is upright."""
    return (Part("box", (0.012, 0.085, 0.04), (0, 0, 0), paint(rng, 0.1)),)


def book(rng: np.random.Generator) -> tuple[Part, ...]:
    """An open book, whose pages face -x: two halves at an angle look like one at this size."""
    return (
        Part("box", (0.012, 0.13, 0.19), (0.012, 0, 0), paint(rng)),
        Part("box", (0.006, 0.12, 0.175), (-0.006, 0, 0), (0.93, 0.91, 0.85)),
    )


def laptop(rng: np.random.Generator) -> tuple[Part, ...]:
    """A laptop that stands open in front of a person who faces +x."""
    color = paint(rng, 0.2)
    return (
        Part("box", (0.12, 0.012, 0.17), (0, 0.012, 0), color),
        Part("box", (0.01, 0.12, 0.17), (0.14, 0.13, 0), color),
        Part("box", (0.004, 0.105, 0.155), (0.127, 0.13, 0), (0.75, 0.85, 0.95)),
    )


def knife(rng: np.random.Generator) -> tuple[Part, ...]:
    """A knife along x, held at the grip."""
    return (
        Part("box", (0.055, 0.014, 0.014), (0, 0, 0), paint(rng, 0.1)),
        Part("box", (0.11, 0.022, 0.005), (0.165, 0, 0), (0.8, 0.82, 0.85)),
    )


def bread(rng: np.random.Generator) -> tuple[Part, ...]:
    """A loaf on a board."""
    crust = colorsys.hsv_to_rgb(rng.uniform(0.06, 0.1), 0.65, rng.uniform(0.5, 0.85))
    return (
        Part("box", (0.13, 0.01, 0.19), (0, 0.01, 0), paint(rng)),
        Part("box", (0.055, 0.05, 0.13), (0, 0.07, 0), crust),
    )


def pot(rng: np.random.Generator) -> tuple[Part, ...]:
    """A cooking pot."""
    radius, height, color = (
        float(rng.uniform(0.1, 0.13)),
        float(rng.uniform(0.11, 0.16)),
        paint(rng),
    )
    return (
        Part("cylinder", (radius, height, 0), (0, height / 2, 0), color),
        Part("cylinder", (0.85 * radius, 0.01, 0), (0, height, 0), paint(rng)),
        Part("box", (0.02, 0.012, radius + 0.05), (0, 0.8 * height, 0), color),
    )


def spoon(rng: np.random.Generator, length: float) -> tuple[Part, ...]:
    """A spoon that hangs down from the hand that holds it."""
    color = paint(rng)
    return (Part("box", (0.012, length / 2, 0.012), (0, 0.05 - length / 2, 0), color),)


def cloth(rng: np.random.Generator) -> tuple[Part, ...]:
    """A cloth that lies under a hand."""
    return (Part("box", (0.09, 0.012, 0.1), (0, 0, 0), paint(rng)),)


def plate(rng: np.random.Generator) -> tuple[Part, ...]:
    """A plate with food."""
    return (
        Part("cylinder", (0.12, 0.02, 0), (0, 0.01, 0), paint(rng, 0.7)),
        Part("cylinder", (0.06, 0.04, 0), (0, 0.035, 0), paint(rng)),
    )


def parcel(rng: np.random.Generator) -> tuple[Part, ...]:
    """A box or a tin of groceries, held in its middle."""
    color = paint(rng)
    if rng.random() < 0.5:
        return (Part("cylinder", (0.05, float(rng.uniform(0.12, 0.2)), 0), (0, 0, 0), color),)
    half = rng.uniform((0.04, 0.06, 0.05), (0.07, 0.11, 0.1))
    return (Part("box", tuple(half), (0, 0, 0), color, True),)
