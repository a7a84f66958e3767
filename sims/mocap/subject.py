"""The looks of subjects: proportions, colours and clothes."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Color = tuple[float, float, float]

SKINS = ((0.95, 0.80, 0.69), (0.85, 0.65, 0.50), (0.66, 0.46, 0.33), (0.42, 0.28, 0.20))
HAIRS = ((0.10, 0.08, 0.07), (0.33, 0.20, 0.11), (0.78, 0.62, 0.34), (0.55, 0.55, 0.55))
# The garment on each of the humanoid's own shapes, the same on both sides.
GARMENTS = {
    **{"root": "bottom", "chest": "top", "neck": "skin"},
    **{"hip": "bottom", "knee": "shin", "ankle": "shoe"},
    **{"shoulder": "top", "elbow": "forearm", "wrist": "skin"},
}
_ALONG_Y, _ALONG_Z = (-np.pi / 2, 0.0, 0.0), (0.0, 0.0, 0.0)


class Shape(NamedTuple):
    """A visual shape on a link, in the units of the humanoid's URDF.

    Attributes:
        link: Name of the link, or the common part of the names of a left and a right link.
        kind: sphere, capsule, cylinder or box.
        size: Attributes of the URDF's geometry.
        offset: Position of its middle, in the frame of the link.
        garment: Key of its colour in `Subject.colors`.
        turn: Roll, pitch and yaw in radians; capsules and cylinders lie along z.
    """

    link: str
    kind: str
    size: Mapping[str, str]
    offset: tuple[float, float, float]
    garment: str
    turn: tuple[float, float, float] = _ALONG_Z


# Shapes that make the humanoid look like a person.
BODY = (
    Shape("root", "sphere", {"radius": "0.38"}, (0, 0.72, 0), "top"),
    Shape("chest", "capsule", {"radius": "0.2", "length": "1.1"}, (-0.09, 0.9, 0), "top"),
    Shape("neck", "sphere", {"radius": "0.2"}, (0, 0.2, 0), "skin"),
    Shape("neck", "sphere", {"radius": "0.42"}, (-0.09, 0.78, 0), "hair"),
    Shape("neck", "sphere", {"radius": "0.07"}, (0.41, 0.66, 0), "nose"),
    Shape("wrist", "box", {"size": "0.16 0.4 0.12"}, (0, -0.18, 0), "skin"),
    Shape("wrist", "box", {"size": "0.2 0.08 0.1"}, (0.08, -0.12, 0), "skin"),
)
# Optional clothes and hair of a subject.
EXTRAS = {
    "long hair": (Shape("neck", "sphere", {"radius": "0.3"}, (-0.28, 0.4, 0), "hair"),),
    "cap": (
        Shape("neck", "sphere", {"radius": "0.43"}, (-0.03, 0.84, 0), "accent"),
        Shape("neck", "box", {"size": "0.4 0.06 0.5"}, (0.45, 0.95, 0), "accent"),
    ),
    "belt": (
        Shape(
            "root", "cylinder", {"radius": "0.42", "length": "0.2"}, (0, 0.4, 0), "accent", _ALONG_Y
        ),
    ),
    "band": (
        Shape(
            "chest",
            "cylinder",
            {"radius": "0.46", "length": "0.24"},
            (0, 0.48, 0),
            "accent",
            _ALONG_Y,
        ),
    ),
    "backpack": (Shape("chest", "box", {"size": "0.4 0.85 0.65"}, (-0.5, 0.4, 0), "accent"),),
    "coat": (
        Shape(
            "root", "cylinder", {"radius": "0.5", "length": "0.8"}, (0, -0.1, 0), "top", _ALONG_Y
        ),
    ),
}
# Probability of each extra.
EXTRA_SHARE = 0.3


@dataclass(frozen=True, eq=False)
class Subject:
    """A person's looks; lengths are relative to the humanoid's.

    Attributes:
        height: Height of the whole body.
        leg: Length of the legs.
        arm: Length of the arms.
        torso: Length from hips to neck.
        head: Size of the head.
        width: Width of shoulders and hips.
        girth: Thickness of trunk and limbs.
        colors: RGB from 0 to 1, by the names that `Shape.garment` uses.
        worn: Shapes in addition to the humanoid's own.
    """

    height: float
    leg: float
    arm: float
    torso: float
    head: float
    width: float
    girth: float
    colors: Mapping[str, Color]
    worn: tuple[Shape, ...]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Subject:
        """Draws a person."""
        skin: Color = SKINS[rng.integers(len(SKINS))]
        top, bottom, shoe, accent = (_dye(rng) for _ in range(4))
        colors = {
            "skin": skin,
            "nose": (0.8 * skin[0], 0.7 * skin[1], 0.7 * skin[2]),
            "hair": HAIRS[rng.integers(len(HAIRS))],
            "top": top,
            "forearm": top if rng.random() < 0.5 else skin,
            "bottom": bottom,
            "shin": bottom if rng.random() < 0.7 else skin,
            "shoe": shoe,
            "accent": accent,
        }
        worn = [shapes for shapes in EXTRAS.values() if rng.random() < EXTRA_SHARE]
        return cls(
            height=float(rng.uniform(0.88, 1.12)),
            leg=float(rng.uniform(0.92, 1.08)),
            arm=float(rng.uniform(0.92, 1.08)),
            torso=float(rng.uniform(0.93, 1.07)),
            head=float(rng.uniform(0.9, 1.1)),
            width=float(rng.uniform(0.88, 1.15)),
            girth=float(rng.uniform(0.85, 1.2)),
            colors=colors,
            worn=sum(worn, BODY),
        )

    def scale(self, link: str) -> Float[np.ndarray, 3]:
        """The factors of lengths along x, y and z in the frame of a link."""
        part = link.split("_")[-1]
        if part == "neck":
            return np.full(3, self.head)
        length = {
            **dict.fromkeys(("root", "chest"), self.torso),
            **dict.fromkeys(("hip", "knee"), self.leg),
            **dict.fromkeys(("shoulder", "elbow"), self.arm),
        }
        return np.array([1.0, length.get(part, 1.0), self.width if part in _TRUNK else 1.0])

    def girth_of(self, link: str) -> float:
        """The factor of radii on a link."""
        return self.head if link == "neck" else self.girth


_TRUNK = ("root", "chest")


def _dye(rng: np.random.Generator) -> Color:
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.15, 0.9), rng.uniform(0.2, 0.95))
