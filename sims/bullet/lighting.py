"""Light, background and colours of PyBullet's pictures: the usual ones, or drawn at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from sims.paint import random_colour

Color = tuple[float, float, float, float]

# Colour of pixels that show no body.
BACKGROUND_COLOR = np.array([188, 198, 208], np.uint8)
LIGHT: Mapping[str, Any] = {
    "lightDirection": (0.5, -0.8, 1.6),
    "lightColor": (1.0, 1.0, 1.0),
    "lightAmbientCoeff": 0.5,
    "lightDiffuseCoeff": 0.45,
    "lightSpecularCoeff": 0.05,
}
# A random light: how far its colour is from white, and its coefficients, usually 0.5 and 0.45.
LIGHT_TINT = 0.3
AMBIENT, DIFFUSE = (0.35, 0.6), (0.25, 0.6)


@dataclass(frozen=True, eq=False)
class Lighting:
    """Light and background of all views.

    Attributes:
        light: PyBullet's options of the light.
        background: RGB of pixels that show no body.
    """

    light: Mapping[str, Any]
    background: UInt8[np.ndarray, 3]

    @classmethod
    def random(cls, rng: np.random.Generator) -> Lighting:
        """Draws a light from above, and the colour of the background."""
        light = {
            "lightDirection": (*rng.uniform(-1, 1, 2).tolist(), 1.6),
            "lightColor": tuple((1 - LIGHT_TINT * random_colour(rng)).tolist()),
            "lightAmbientCoeff": float(rng.uniform(*AMBIENT)),
            "lightDiffuseCoeff": float(rng.uniform(*DIFFUSE)),
        }
        background = np.rint(255 * random_colour(rng)).astype(np.uint8)
        return cls({**LIGHT, **light}, background)


USUAL_LIGHTING = Lighting(LIGHT, BACKGROUND_COLOR)


def random_color(rng: np.random.Generator) -> Color:
    """Draws an opaque colour, RGBA from 0 to 1."""
    red, green, blue = random_colour(rng).tolist()
    return red, green, blue, 1.0
