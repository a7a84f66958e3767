"""The game's task, and the conversion between its coordinates and this project's.

This project's world is the game's with other axes: the ground lies at a height of `GROUND`, not 0.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from datasets.cameras import Camera
from sims import rig
from sims.minecraft.backend import HALF_BLOCK
from sims.minecraft.blocks.world import ARENA_RADIUS, LONGEST_WALK, SHORTEST_WALK
from sims.minecraft.minerl.mission import GROUND
from sims.minecraft.player import (
    EYES,
    HEIGHT,
    PlayerPose,
    from_game_angles,
    from_game_position,
    to_game_angles,
    to_game_position,
)

EGO_FOVY_DEGREES = 70.0
# The game widens the field of view of flying players, and spectators fly.
SPECTATOR_FOVY_DEGREES = 1.1 * EGO_FOVY_DEGREES
# Ranges of the third-person cameras in degrees and metres; from there, pictures show all the arena.
ELEVATION_DEGREES = (8.0, 50.0)
DISTANCE = (7.0, 9.0)
# Height of the eyes above the feet, in metres.
EYE_HEIGHT = EYES * HEIGHT


def spectator_cameras(num_views: int, size: int) -> list[Camera]:
    """Cameras around the arena where spectators can stand: at whole heights, amid a column.

    Args:
        num_views: Number of cameras.
        size: Height and width of the images in pixels.
    """
    middle = np.array([0.0, 0.0, GROUND + 1.0])
    eyes = middle + rig.all_around(num_views, ELEVATION_DEGREES, DISTANCE)
    eyes[:, :2] = np.floor(eyes[:, :2]) + 0.5
    eyes[:, 2] = np.maximum(np.round(eyes[:, 2] - EYE_HEIGHT), GROUND) + EYE_HEIGHT
    return [camera_at(eye, middle - eye, SPECTATOR_FOVY_DEGREES, size) for eye in eyes]


def draw_task(rng: np.random.Generator) -> tuple[PlayerPose, Float[np.ndarray, 3]]:
    """Draws the player's initial pose and the middle of the goal block, both in the arena."""
    direction = rng.uniform(-np.pi, np.pi)
    half = rng.uniform(SHORTEST_WALK, LONGEST_WALK) / 2
    along = half * np.array([np.cos(direction), np.sin(direction)])
    aside = rng.uniform(-1, 1, 2) * (ARENA_RADIUS - half) / 2
    start, goal = np.floor(aside - along) + 0.5, np.floor(aside + along) + 0.5
    pose = PlayerPose(np.append(start, GROUND), yaw=float(rng.uniform(-np.pi, np.pi)))
    return pose, np.append(goal, GROUND + HALF_BLOCK)


def camera_at(
    eye: Float[np.ndarray, 3], look: Float[np.ndarray, 3], fovy: float, size: int
) -> Camera:
    """The camera of a player whose eyes are at a position in metres and look along a vector."""
    return Camera.look_at(eye, eye + look, np.array([0.0, 0, 1]), fovy, size, size)


def pose_at(place: list[float]) -> PlayerPose:
    """The pose at a place of the game: x, y, z, yaw and pitch in its axes and degrees."""
    yaw, pitch = from_game_angles(*place[3:])
    yaw = float((yaw + np.pi) % (2 * np.pi) - np.pi)
    return PlayerPose(from_game_position(np.array(place[:3])), yaw, pitch)


def place_of(pose: PlayerPose) -> list[float]:
    """The inverse of `pose_at`."""
    return [*to_game_position(pose.position).tolist(), *to_game_angles(pose.yaw, pose.pitch)]


def spectator_place(camera: Camera) -> list[float]:
    """The game's place of a spectator whose eyes are a camera."""
    # Rounding restores whole heights, so that rounding errors put nobody into the block below.
    feet = np.round(camera.position - [0, 0, EYE_HEIGHT], 6)
    x, y, z = camera.world_to_camera[2, :3]
    return place_of(PlayerPose(feet, float(np.arctan2(y, x)), float(np.arcsin(z))))
