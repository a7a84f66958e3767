"""Where a recorded task takes place, and cameras around it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from datasets.cameras import Camera
from sims import rig
from sims.gl import import_mujoco
from sims.mujoco.canvas import ROBOSUITE_GROUPS
from sims.robosuite.robots import Robots

if TYPE_CHECKING:
    import mujoco

# States of the recording that are looked at, evenly spread.
MOMENTS = 48
# robosuite puts the objects that a task does not need ten metres away. Objects that never come this
# near to a robot's keypoint, in metres, are none of the task's.
NEAR = 1.0
# A camera that would stand behind a wall stands this far on its way there instead.
BEFORE_WALL = 0.9
_CORNERS = np.array(list(product((-1.0, 1.0), repeat=3)))


def workspace(
    model: mujoco.MjModel, robots: Robots, states: Float[np.ndarray, "time state"]
) -> Float[np.ndarray, "points 3"]:
    """Corners of the boxes around the robots' and objects' shapes, all along a recording.

    Args:
        model: The model of the recording.
        robots: Its robots.
        states: Time, positions and velocities of each time step.

    Returns:
        World points in metres, which third-person cameras are to show.
    """
    engine = import_mujoco()
    data = engine.MjData(model)
    drawn = np.isin(model.geom_group, ROBOSUITE_GROUPS)
    moving = model.body_weldid[model.geom_bodyid] > 0
    shapes = np.flatnonzero(drawn & (moving | robots.own[model.geom_bodyid]))
    times = np.linspace(0, len(states) - 1, min(MOMENTS, len(states))).round().astype(int)
    corners, near = [], np.zeros(len(shapes), bool)
    for state in states[times]:
        data.qpos[:] = state[1 : 1 + model.nq]
        engine.mj_kinematics(model, data)
        near |= _is_near(data.geom_xpos[shapes], robots.positions(data))
        corners.append(_boxes(model, data, shapes))
    return np.stack(corners)[:, near].reshape(-1, 3)


def _is_near(
    places: Float[np.ndarray, "shapes 3"], keypoints: Float[np.ndarray, "keypoints 3"]
) -> Bool[np.ndarray, " shapes"]:
    distances = np.linalg.norm(places[:, None] - keypoints, axis=-1)
    return distances.min(axis=1) < NEAR


def _boxes(
    model: mujoco.MjModel, data: mujoco.MjData, shapes: np.ndarray
) -> Float[np.ndarray, "shapes 8 3"]:
    middle, half = model.geom_aabb[shapes, None, :3], model.geom_aabb[shapes, None, 3:]
    rotations = data.geom_xmat[shapes].reshape(-1, 3, 3)
    turned = np.einsum("sij,scj->sci", rotations, middle + _CORNERS * half)
    return data.geom_xpos[shapes, None] + turned


def ring_in_room(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    views: Sequence[str],
    points: Float[np.ndarray, "points 3"],
    distance: float,
    size: int,
) -> dict[str, Camera]:
    """The ring of `sims.rig`, with cameras that no wall or floor hides the task from.

    Args:
        model: The model.
        data: Any state of it, since walls and floors do not move.
        views: Names of the cameras.
        points: World points in metres that every camera must show.
        distance: Distance from a camera to the middle of the points, in metres.
        size: Height and width of the images in pixels.
    """
    middle = (points.min(0) + points.max(0)) / 2
    placed = {}
    for view, camera in rig.ring(views, points, distance, size).items():
        way = camera.position - middle
        share = _share_to_wall(model, data, middle, way)
        moved = middle + BEFORE_WALL * share * way
        placed[view] = camera if share > 1 else rig.frame(moved, points, size)
    return placed


def _share_to_wall(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    start: Float[np.ndarray, 3],
    way: Float[np.ndarray, 3],
) -> float:
    """The share of a way before which a drawn shape of the world itself stands; else infinite."""
    engine = import_mujoco()
    walls = (model.geom_bodyid == 0) & np.isin(model.geom_group, ROBOSUITE_GROUPS)
    last = engine.mjNGROUP - 1
    groups, only_last = model.geom_group.copy(), np.eye(engine.mjNGROUP, dtype=np.uint8)[last]
    try:
        # A ray tells groups of shapes apart, but not bodies.
        model.geom_group[:] = np.where(walls, last, 0)
        share = engine.mj_ray(model, data, start, way, only_last, True, -1, np.zeros(1, np.int32))
    finally:
        model.geom_group[:] = groups
    return float(share) if share >= 0 else np.inf
