"""Rooms with textures, and props, in PyBullet."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from scipy.spatial.transform import Rotation

from sims.bullet.client import BulletClient
from sims.mocap.body import facing
from sims.mocap.everyday import props
from sims.mocap.everyday.props import Part, Prop
from sims.mocap.room import CLUTTER_DISTANCE, Room
from sims.paint import random_texture

Pattern = UInt8[np.ndarray, "height width 3"]

# How often floor, walls, furniture and patterned parts of props get a texture, and its pixels.
PATTERNED, PIXELS = 0.6, 64
# Textures darken a room: its ambient light is brighter by this much.
BRIGHTER = 0.2
# Chairs and tables that nobody uses stand around, so that furniture does not tell the class. They
# hide no more of the person than other furniture does.
NUM_SPARE, SPARE_DISTANCE = (0, 4), (1.5, 2.4)
# A cylinder of PyBullet lies along z, and those of props along y.
_UPRIGHT_CYLINDER = Rotation.from_euler("x", -90, degrees=True)


class Placing:
    """The transformation from the frame of a motion to the world."""

    def __init__(self, turn: Rotation, place: Float[np.ndarray, 2]) -> None:
        """Keeps the rotation to the world, and where the motion's origin lies on the floor."""
        self.turn, self.shift = turn, np.array([*place, 0.0])

    def __call__(
        self, positions: Float[np.ndarray, "time 3"], turns: Rotation
    ) -> tuple[Float[np.ndarray, "time 3"], Rotation]:
        """Positions and rotations in the world."""
        return self.turn.apply(positions) + self.shift, self.turn * turns


@dataclass(frozen=True, eq=False)
class Home:
    """A room with textures.

    Attributes:
        room: Its boxes and its light.
        patterns: Texture of each box; None for a plain one.
        spare: Furniture that nobody uses.
    """

    room: Room
    patterns: tuple[Pattern | None, ...]
    spare: Props

    @property
    def light(self) -> Mapping[str, Any]:
        """Options of the light for PyBullet's renderer."""
        return self.room.light

    @classmethod
    def draw(cls, rng: np.random.Generator, azimuths: Float[np.ndarray, " cameras"]) -> Home:
        """Draws a room whose middle is visible to cameras at some azimuths, in radians."""
        room = Room.draw(rng, azimuths)
        light = dict(room.light)
        light["lightAmbientCoeff"] += BRIGHTER
        room = replace(room, light=light)
        patterns = tuple(_pattern(rng) for _ in room.boxes)
        spare = Props(_spare(rng, azimuths), Placing(facing(0.0), np.zeros(2)), rng)
        return cls(room, patterns, spare)

    def build(self, client: BulletClient) -> None:
        """Adds the room to a simulation."""
        for body, pattern in zip(self.room.build(client), self.patterns, strict=True):
            if pattern is not None:
                _paint(client, body, pattern)
        self.spare.build(client, moving=False)


class Props:
    """The props of a take: those that stay, and those that a person carries."""

    def __init__(self, items: Sequence[Prop], placing: Placing, rng: np.random.Generator) -> None:
        """Keeps them; a seed for each draws its textures."""
        self._items, self._placing = items, placing
        self._seeds = rng.integers(2**32, size=len(items))

    def build(self, client: BulletClient, moving: bool) -> list[PropBody]:
        """Adds those that move, or those that do not, to a simulation."""
        return [
            PropBody(client, prop, self._placing, np.random.default_rng(int(seed)))
            for prop, seed in zip(self._items, self._seeds, strict=True)
            if prop.moves == moving
        ]


class PropBody:
    """A prop in a simulation: one body for each part."""

    def __init__(
        self, client: BulletClient, prop: Prop, placing: Placing, rng: np.random.Generator
    ) -> None:
        """Adds the parts, where they are in the first frame."""
        self._client = client
        turns = Rotation.from_quat(prop.turns)
        self._tracks = []
        for part in prop.parts:
            body = _shape(client, part)
            if part.patterned and (pattern := _pattern(rng)) is not None:
                _paint(client, body, pattern)
            own = _UPRIGHT_CYLINDER if part.kind == "cylinder" else Rotation.identity()
            at, turn = placing(prop.positions + turns.apply(part.offset), turns * own)
            self._tracks.append((body, at, turn.as_quat()))
        self.show(0)

    def show(self, frame: int) -> None:
        """Moves the prop to where it is in a frame."""
        for body, positions, turns in self._tracks:
            self._client.call(
                "resetBasePositionAndOrientation",
                body,
                positions[frame].tolist(),
                turns[frame].tolist(),
            )


def _shape(client: BulletClient, part: Part) -> int:
    color = (*part.color, 1.0)
    if part.kind == "box":
        look = client.call(
            "createVisualShape", client.api.GEOM_BOX, halfExtents=part.size, rgbaColor=color
        )
    else:
        look = client.call(
            "createVisualShape",
            client.api.GEOM_CYLINDER,
            radius=part.size[0],
            length=part.size[1],
            rgbaColor=color,
        )
    return int(client.call("createMultiBody", 0, -1, look, [0, 0, 0], [0, 0, 0, 1]))


def _pattern(rng: np.random.Generator) -> Pattern | None:
    return random_texture(rng, PIXELS, PIXELS) if rng.random() < PATTERNED else None


def _paint(client: BulletClient, body: int, pattern: Pattern) -> None:
    """Gives a body a texture, which PyBullet reads from a file."""
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        Image.fromarray(pattern).save(file, compress_level=1)
        file.flush()
        texture = client.call("loadTexture", file.name)
    # The texture is multiplied by the colour.
    client.call("changeVisualShape", body, -1, textureUniqueId=texture, rgbaColor=(1, 1, 1, 1))


def _spare(rng: np.random.Generator, azimuths: Float[np.ndarray, " cameras"]) -> tuple[Prop, ...]:
    found = []
    for _ in range(rng.integers(*NUM_SPARE)):
        around, far = rng.uniform(0, 2 * np.pi), rng.uniform(*SPARE_DISTANCE)
        apart = np.abs((around - azimuths + np.pi) % (2 * np.pi) - np.pi).min()
        if apart < np.radians(25):
            around, far = around + np.pi, CLUTTER_DISTANCE[0]
        chair = props.chair(rng, float(rng.uniform(0.42, 0.5)))
        board = props.table(
            rng, (0.3, float(rng.uniform(0.35, 0.6))), float(rng.uniform(0.66, 0.9))
        )
        place = (far * np.cos(around), 0.0, -far * np.sin(around))
        parts = chair if rng.random() < 0.6 else board
        found.append(props.standing(parts, place, float(rng.uniform(0, 2 * np.pi))))
    return tuple(found)
