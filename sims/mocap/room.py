"""Random rooms for takes: walls, furniture, light and cameras."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from datasets.cameras import Camera
from sims.bullet.client import BulletClient

# Metres; the floor is z = 0, and motions lie around the origin.
WALL_DISTANCE, WALL_HEIGHT, THICKNESS = (4.2, 4.6), 2.9, 0.05
CAMERA_DISTANCE, CAMERA_HEIGHT = (3.3, 3.8), (1.0, 1.9)
TARGET_HEIGHT = 0.95
FOVY_DEGREES = (42.0, 47.0)
AZIMUTH_DEGREES = 4.0
# Furniture stands at these distances from the middle; in front of a camera it is at most LOW high.
CLUTTER_DISTANCE, LOW = (1.7, 4.0), 0.45
NUM_FURNITURE, NUM_ON_WALLS = (7, 14), (6, 14)

Color = tuple[float, float, float]


class Box(NamedTuple):
    """A fixed box.

    Attributes:
        middle: Position of its middle in metres.
        half: Half of its edges in metres.
        yaw: Rotation about the vertical in radians.
        color: RGB from 0 to 1.
    """

    middle: Float[np.ndarray, 3]
    half: Float[np.ndarray, 3]
    yaw: float
    color: Color


@dataclass(frozen=True, eq=False)
class Room:
    """The room of a take.

    Attributes:
        boxes: Floor, walls, flat objects on them, and furniture.
        light: Options of the light for PyBullet's renderer.
    """

    boxes: tuple[Box, ...]
    light: Mapping[str, Any]

    @classmethod
    def draw(cls, rng: np.random.Generator, azimuths: Float[np.ndarray, " cameras"]) -> Room:
        """Draws a room whose middle is visible to cameras at some azimuths, in radians."""
        return cls((*_shell(rng), *_furniture(rng, azimuths)), _light(rng))

    def build(self, client: BulletClient) -> list[int]:
        """Adds the room to a simulation, without collision shapes, and returns the bodies."""
        bodies = []
        for box in self.boxes:
            look = client.call(
                "createVisualShape",
                client.api.GEOM_BOX,
                halfExtents=box.half.tolist(),
                rgbaColor=(*box.color, 1.0),
            )
            turn = [0.0, 0.0, np.sin(box.yaw / 2), np.cos(box.yaw / 2)]
            place = box.middle.tolist()
            bodies.append(client.call("createMultiBody", 0, -1, look, place, turn))
        return bodies


def place_camera(rng: np.random.Generator, azimuth: float, size: int) -> Camera:
    """A random camera near an azimuth, in radians, that frames a person around the origin."""
    azimuth += np.radians(rng.uniform(-AZIMUTH_DEGREES, AZIMUTH_DEGREES))
    distance, height = rng.uniform(*CAMERA_DISTANCE), rng.uniform(*CAMERA_HEIGHT)
    position = [distance * np.cos(azimuth), distance * np.sin(azimuth), height]
    target = [*rng.uniform(-0.12, 0.12, 2), TARGET_HEIGHT + rng.uniform(-0.06, 0.06)]
    return Camera.look_at(
        np.array(position),
        np.array(target),
        np.array([0.0, 0.0, 1.0]),
        float(rng.uniform(*FOVY_DEGREES)),
        size,
        size,
    )


def _shell(rng: np.random.Generator) -> list[Box]:
    """Floor with a rug, and four walls with pictures, windows and doors on them."""
    reach = rng.uniform(*WALL_DISTANCE)
    boxes = [
        _slab((0, 0, -THICKNESS), (reach, reach, THICKNESS), _paint(rng, 0.5)),
        _slab(
            (*rng.uniform(-0.6, 0.6, 2), 0.0),
            (*rng.uniform(0.6, 1.8, 2), 0.004),
            _paint(rng, 0.8),
            float(rng.uniform(0, np.pi)),
        ),
    ]
    for azimuth in np.pi / 2 * np.arange(4):
        wall = np.array([np.cos(azimuth), np.sin(azimuth)])
        side = np.array([-wall[1], wall[0]])
        boxes.append(
            _slab(
                (*(wall * (reach + THICKNESS)), WALL_HEIGHT / 2),
                (THICKNESS, reach + 2 * THICKNESS, WALL_HEIGHT / 2),
                _paint(rng, 0.45),
                azimuth,
            )
        )
        for _ in range(rng.integers(*NUM_ON_WALLS) // 2):
            half = rng.uniform(0.15, 0.7, 2)
            height = rng.uniform(half[1], max(half[1], WALL_HEIGHT - half[1]))
            middle = wall * reach + side * rng.uniform(half[0] - reach, reach - half[0])
            boxes.append(_slab((*middle, height), (0.03, *half), _paint(rng, 0.9), azimuth))
    return boxes


def _furniture(rng: np.random.Generator, azimuths: Float[np.ndarray, " cameras"]) -> list[Box]:
    boxes = []
    for _ in range(rng.integers(*NUM_FURNITURE)):
        around, far = rng.uniform(0, 2 * np.pi), rng.uniform(*CLUTTER_DISTANCE)
        half = rng.uniform((0.12, 0.12, 0.1), (0.45, 0.45, 0.9))
        # Furniture between a camera and the person may hide only the legs.
        apart = np.abs((around - azimuths + np.pi) % (2 * np.pi) - np.pi).min()
        if apart < np.radians(30):
            half[2] = min(half[2], LOW / 2)
            far = min(far, CAMERA_DISTANCE[0] - 1.0)
        middle = (far * np.cos(around), far * np.sin(around), half[2])
        boxes.append(_slab(middle, tuple(half), _paint(rng, 0.9), float(rng.uniform(0, np.pi))))
    return boxes


def _light(rng: np.random.Generator) -> dict[str, Any]:
    around, up = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(25, 75))
    direction = (np.cos(around) * np.cos(up), np.sin(around) * np.cos(up), np.sin(up))
    ambient = rng.uniform(0.35, 0.6)
    # From a warm lamp to a cold one.
    warmth = rng.uniform(-0.12, 0.12)
    return {
        "lightDirection": tuple(map(float, direction)),
        "lightColor": (1.0 + min(warmth, 0), 1.0 - abs(warmth) / 2, 1.0 - max(warmth, 0)),
        "lightAmbientCoeff": float(ambient),
        "lightDiffuseCoeff": float(rng.uniform(0.75, 1.0) - ambient),
        "lightSpecularCoeff": 0.05,
    }


def _slab(
    middle: tuple[float, ...], half: tuple[float, ...], color: Color, yaw: float = 0.0
) -> Box:
    return Box(np.array(middle, float), np.array(half, float), yaw, color)


def _paint(rng: np.random.Generator, saturation: float) -> Color:
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, saturation), rng.uniform(0.3, 0.95))
