"""The objects of Pick's world: floor, table, the cube, and its target spot."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from sims.bullet.client import BulletClient
from sims.bullet.lighting import USUAL_LIGHTING, Color, Lighting, random_color
from sims.bullet.meshes import box_mesh
from sims.bullet.views import AWAY

Vector = tuple[float, float, float]

# The table's top is the plane z = 0; metres throughout.
TABLE_LOW, TABLE_HIGH = np.array([-0.22, -0.5, -0.04]), np.array([0.85, 0.5, 0.0])
FLOOR_HEIGHT = -0.55
FLOOR_HALF_WIDTH, FLOOR_THICKNESS = 3.0, 0.02
LEG_HALF_WIDTH = 0.03
# Region of the cube's and the spot's positions.
REGION_LOW, REGION_HIGH = np.array([0.38, -0.26]), np.array([0.66, 0.26])
MIN_DISTANCE = 0.18
# Whole millimetres, so that the cache holds few meshes of cubes.
CUBE_HALF_SIZES = np.arange(20, 27) / 1000
CUBE_MASS = 0.1
CUBE_FRICTION = 1.0
SPOT_HALF_SIZE = 0.04
SPOT_HEIGHT = 0.002

WOOD: Color = (0.80, 0.66, 0.48, 1.0)
LEG: Color = (0.35, 0.33, 0.32, 1.0)
FLOOR: Color = (0.50, 0.53, 0.56, 1.0)
RED: Color = (0.85, 0.12, 0.10, 1.0)
GREEN: Color = (0.13, 0.62, 0.25, 1.0)


class Look(NamedTuple):
    """How an episode's world looks; it does not change how it moves.

    Attributes:
        table: Colour of the table's top.
        legs: Colour of its legs.
        floor: Colour of the floor.
        cube: Colour of the cube.
        spot: Colour of the target spot.
        lighting: Light and background.
    """

    table: Color = WOOD
    legs: Color = LEG
    floor: Color = FLOOR
    cube: Color = RED
    spot: Color = GREEN
    lighting: Lighting = USUAL_LIGHTING

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Look:
        """Draws colours of all things but the robot, and a light from above."""
        lighting = Lighting.random(rng)
        table, legs, floor, cube, spot = (random_color(rng) for _ in range(5))
        return cls(table, legs, floor, cube, spot, lighting)


USUAL_LOOK = Look()


class Layout(NamedTuple):
    """The random part of an episode's world, except the arm's pose.

    Attributes:
        half_size: Half of the cube's edge in metres.
        cube: Initial position of the cube's middle, in metres.
        yaw: Rotation of the cube about the vertical, in radians.
        spot: Middle of the target spot, in metres.
    """

    half_size: float
    cube: Float[np.ndarray, 2]
    yaw: float
    spot: Float[np.ndarray, 2]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Layout:
        """Draws a layout whose spot is well away from the cube."""
        cube = rng.uniform(REGION_LOW, REGION_HIGH)
        spot = cube
        while np.linalg.norm(spot - cube) < MIN_DISTANCE:
            spot = rng.uniform(REGION_LOW, REGION_HIGH)
        return cls(float(rng.choice(CUBE_HALF_SIZES)), cube, float(rng.uniform(0, np.pi)), spot)


def add_scenery(client: BulletClient, look: Look = USUAL_LOOK) -> dict[int, Vector]:
    """Adds table and floor without collision shapes; returns the position of each body."""
    middle, half = (TABLE_LOW + TABLE_HIGH) / 2, (TABLE_HIGH - TABLE_LOW) / 2
    bodies = [_box(client, middle, half, look.table)]
    leg_half = np.array([LEG_HALF_WIDTH, LEG_HALF_WIDTH, (TABLE_LOW[2] - FLOOR_HEIGHT) / 2])
    for x in (-1, 1):
        for y in (-1, 1):
            corner = middle + np.array([x, y, 0]) * (half - LEG_HALF_WIDTH)
            corner[2] = TABLE_LOW[2] - leg_half[2]
            bodies.append(_box(client, corner, leg_half, look.legs))
    floor_half = np.array([FLOOR_HALF_WIDTH, FLOOR_HALF_WIDTH, FLOOR_THICKNESS / 2])
    bodies.append(
        _box(client, np.array([0, 0, FLOOR_HEIGHT - FLOOR_THICKNESS / 2]), floor_half, look.floor)
    )
    return {body: client.call("getBasePositionAndOrientation", body)[0] for body in bodies}


def add_table(client: BulletClient) -> int:
    """Adds the table's collision shape, which is not drawn."""
    middle, half = (TABLE_LOW + TABLE_HIGH) / 2, (TABLE_HIGH - TABLE_LOW) / 2
    shape = client.call("createCollisionShape", client.api.GEOM_BOX, halfExtents=half.tolist())
    # Without a visual shape, PyBullet would draw the collision shape.
    unseen = client.call(
        "createVisualShape",
        client.api.GEOM_BOX,
        halfExtents=[1e-3] * 3,
        visualFramePosition=list(AWAY),
    )
    body: int = client.call("createMultiBody", 0, shape, unseen, middle.tolist())
    client.call("changeDynamics", body, -1, lateralFriction=CUBE_FRICTION)
    return body


def add_cube(client: BulletClient, layout: Layout, look: Look = USUAL_LOOK) -> int:
    """Adds the cube at its initial pose."""
    half = np.full(3, layout.half_size)
    shape = client.call("createCollisionShape", client.api.GEOM_BOX, halfExtents=half.tolist())
    shown = _look_of_box(client, half, look.cube)
    turn = [0.0, 0.0, np.sin(layout.yaw / 2), np.cos(layout.yaw / 2)]
    place = [*layout.cube, layout.half_size]
    body: int = client.call("createMultiBody", CUBE_MASS, shape, shown, place, turn)
    # Spinning friction prevents the cube from turning about the line between the finger tips.
    client.call("changeDynamics", body, -1, lateralFriction=CUBE_FRICTION, spinningFriction=0.005)
    return body


def add_spot(client: BulletClient, layout: Layout, look: Look = USUAL_LOOK) -> int:
    """Adds the target spot, a thin square on the table without collision shape."""
    middle = np.append(layout.spot, SPOT_HEIGHT / 2)
    return _box(client, middle, np.array([*[SPOT_HALF_SIZE] * 2, SPOT_HEIGHT / 2]), look.spot)


def _box(
    client: BulletClient, middle: Float[np.ndarray, 3], half: Float[np.ndarray, 3], color: Color
) -> int:
    look = _look_of_box(client, half, color)
    body: int = client.call("createMultiBody", 0, -1, look, middle.tolist())
    return body


def _look_of_box(client: BulletClient, half: Float[np.ndarray, 3], color: Color) -> int:
    shape: int = client.call(
        "createVisualShape",
        client.api.GEOM_MESH,
        fileName=str(box_mesh(half)),
        rgbaColor=color,
    )
    return shape
