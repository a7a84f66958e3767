"""A drawing of a robot by itself, on which its links are named."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from datasets.cameras import Camera
from datasets.kinematics.points import Attachment
from datasets.kinematics.rig import RigCamera
from datasets.kinematics.robot import Robot

# Half from the front and half from the side, and a little from above, in the robot's frame.
_FROM = np.array([0.8, -1.2, 0.45])
_FIELD = 40.0  # degrees
# What links reach beyond their origins, in metres: the hand of a Panda is 0.1 m long.
_BEYOND = 0.12
# Colours that links have by turns, so that neighbours differ.
_COLOURS = np.array([[176, 186, 200], [120, 150, 190], [205, 190, 165]])
_LEAST_LIGHT = 0.35  # of a surface that is seen from its edge


def portrait(
    robot: Robot, points: Sequence[Attachment], side: int
) -> tuple[UInt8[np.ndarray, "side side 4"], Float[np.ndarray, "points 2"]]:
    """Draws a robot as it was placed last.

    Args:
        robot: The robot.
        points: Places on it.
        side: Height and width of the drawing.

    Returns:
        The drawing, transparent around the robot, and where the points are in it, in pixels.
    """
    camera = _camera(robot, side)
    rotation, translation = camera.pose[:3, :3], camera.pose[:3, 3]
    rows, columns = np.divmod(np.arange(side * side), side)
    rays = camera.rays(np.stack([columns, rows], axis=1) + 0.5) @ rotation
    share, bodies = robot.hits(-rotation.T @ translation, rays)
    shown = np.isfinite(share)
    surface = rays * np.where(shown, share, 0.0)[:, None]
    light = _facing(surface.reshape(side, side, 3), rays.reshape(side, side, 3)).reshape(-1, 1)
    colours = _COLOURS[bodies % len(_COLOURS)] * (_LEAST_LIGHT + (1 - _LEAST_LIGHT) * light)
    drawn = np.concatenate([colours, 255.0 * shown[:, None]], axis=1).reshape(side, side, 4)
    pixels, _ = camera.project(robot.positions(points), camera.pose, (side, side))
    return drawn.astype(np.uint8), pixels


def _camera(robot: Robot, side: int) -> RigCamera:
    """A camera whose picture a robot fills, in its frame."""
    origins = np.array([robot.pose(link)[:3, 3] for link in robot.parents])
    middle = (origins.min(0) + origins.max(0)) / 2
    radius = np.linalg.norm(origins - middle, axis=1).max() + _BEYOND
    away = _FROM / np.linalg.norm(_FROM) * radius / np.sin(np.radians(_FIELD / 2))
    up = np.array([0.0, 0.0, 1.0])
    seen = Camera.look_at(middle + away, middle, up, _FIELD, side, side)
    pixels, _ = seen.project(origins)
    low, high = pixels.min(0), pixels.max(0)
    beyond = _BEYOND * seen.intrinsics[0, 0] / np.linalg.norm(away)
    larger = side / (max(high - low) + 2 * beyond)
    shift = side / 2 - larger * (low + high) / 2
    matrix = np.array([[larger, 0, shift[0]], [0, larger, shift[1]], [0, 0, 1]])
    return RigCamera(matrix @ seen.intrinsics, seen.world_to_camera, size=(side, side))


def _facing(
    surface: Float[np.ndarray, "side side 3"], rays: Float[np.ndarray, "side side 3"]
) -> Float[np.ndarray, "side side"]:
    """How much each surface faces the camera, from 0 to 1."""
    down, across = np.gradient(surface, axis=(0, 1))
    normals = np.cross(down, across)
    along = np.abs((normals * rays).sum(-1))
    return along / np.maximum(
        np.linalg.norm(normals, axis=-1) * np.linalg.norm(rays, axis=-1), 1e-12
    )
