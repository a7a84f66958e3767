"""Camera rigs: third-person cameras around a task, framed so that the whole motion fits."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from datasets.cameras import Camera

# The ring is open behind the robot, where its own arm would hide what it does.
ARC_DEGREES = 270.0
ELEVATION_DEGREES = (12.0, 48.0)
# Successive multiples of the golden ratio, modulo 1, spread evenly for any number of views.
GOLDEN_RATIO = (np.sqrt(5) - 1) / 2
MARGIN = 0.06


def ring(
    num_views: int,
    workspace: Float[np.ndarray, "points 3"],
    distance: float,
    size: int,
) -> list[Camera]:
    """Cameras on a ring around a workspace, well apart in azimuth and in height.

    Azimuth 0 is the world's +x, which a robot at negative x faces. The rig depends on nothing but
    its arguments, so it is the same over a data set.

    Args:
        num_views: How many cameras.
        workspace: World points in metres that every camera must have in its picture.
        distance: From a camera to the middle of the workspace, in metres.
        size: Height and width of the images in pixels.

    Returns:
        The cameras, in order of azimuth.
    """
    middle = (workspace.min(0) + workspace.max(0)) / 2
    arc = min(ARC_DEGREES, 360 * (num_views - 1) / num_views)
    azimuths = np.radians(np.linspace(-arc / 2, arc / 2, num_views) if num_views > 1 else [-45.0])
    low, high = ELEVATION_DEGREES
    cameras = []
    for i, azimuth in enumerate(azimuths):
        elevation = np.radians(low + (high - low) * (i * GOLDEN_RATIO % 1))
        direction = np.array(
            [
                np.cos(azimuth) * np.cos(elevation),
                np.sin(azimuth) * np.cos(elevation),
                np.sin(elevation),
            ]
        )
        cameras.append(frame(middle + distance * direction, workspace, size))
    return cameras


def all_around(
    num_views: int, elevation_degrees: tuple[float, float], distance: tuple[float, float]
) -> Float[np.ndarray, "views 3"]:
    """Places for cameras all around the origin, as varied in height and distance as can be.

    Args:
        num_views: How many.
        elevation_degrees: The least and the most.
        distance: The least and the most, in metres.
    """
    i = np.arange(num_views)
    azimuth = 2 * np.pi * (i + 0.3) / num_views
    # Multiples of two irrational numbers, so that height and distance go their own ways.
    elevation = np.radians(np.interp(i * GOLDEN_RATIO % 1, (0, 1), elevation_degrees))
    far = np.interp((0.5 + i * np.sqrt(2)) % 1, (0, 1), distance)
    flat = np.cos(elevation)
    directions = [flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)]
    return far[:, None] * np.stack(directions, axis=1)


def frame(
    position: Float[np.ndarray, 3], workspace: Float[np.ndarray, "points 3"], size: int
) -> Camera:
    """Turns and zooms a camera so that a workspace fills its square picture.

    Args:
        position: Of the camera, in world metres.
        workspace: World points in metres.
        size: Height and width of the image in pixels.
    """
    target = workspace.mean(0)
    camera = Camera.look_at(position, target, np.array([0.0, 0, 1]), 45.0, size, size)
    # Aiming at the middle of the projected box moves the box a little: a few rounds settle it.
    for _ in range(8):
        pixels, _ = camera.project(workspace)
        middle = (pixels.min(0) + pixels.max(0)) / 2
        ray = np.linalg.solve(camera.intrinsics, np.append(middle, 1.0))
        target = position + camera.world_to_camera[:3, :3].T @ ray
        camera = Camera.look_at(position, target, np.array([0.0, 0, 1]), 45.0, size, size)
    pixels, _ = camera.project(workspace)
    half_extent = np.abs(pixels - size / 2).max() / camera.intrinsics[1, 1]
    fovy = 2 * np.degrees(np.arctan(half_extent / (1 - 2 * MARGIN)))
    return Camera.from_fovy(fovy, size, size, camera.world_to_camera)
