"""Camera rigs: third-person cameras around a task, framed so that the whole motion fits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from datasets.cameras import Camera

# The ring is open behind the robot, where its own arm would hide the task.
ARC_DEGREES = 270.0
ELEVATION_DEGREES = (12.0, 48.0)
# Multiples of the golden ratio modulo 1 spread evenly, whatever the number of views.
GOLDEN_RATIO = (np.sqrt(5) - 1) / 2
# Free border around the workspace, on each side, as a share of the picture.
MARGIN = 0.06
# Range of a random camera's distance, relative to the ring's.
RANDOM_DISTANCE = (0.85, 1.2)


def ring(
    views: Sequence[str],
    workspace: Float[np.ndarray, "points 3"],
    distance: float,
    size: int,
    rng: np.random.Generator | None = None,
) -> dict[str, Camera]:
    """Cameras on a ring around a workspace, spread in azimuth and in height.

    Azimuth 0 is the world's +x, which a robot at negative x faces. The rig depends only on its
    arguments, so without `rng` it is the same for a whole data set.

    Args:
        views: Names of the cameras, in order of azimuth.
        workspace: World points in metres that every camera must show.
        distance: Distance from a camera to the middle of the workspace, in metres.
        size: Height and width of the images in pixels.
        rng: Source of random cameras. Each lies in its own part of the arc, at a random elevation
            and a distance varied by `RANDOM_DISTANCE`.
    """
    num_views = len(views)
    middle = (workspace.min(0) + workspace.max(0)) / 2
    low, high = ELEVATION_DEGREES
    if rng is None:
        # With few views, the arc is shorter, so that first and last view differ as others do.
        arc = min(ARC_DEGREES, 360 * (num_views - 1) / num_views)
        azimuth = np.linspace(-arc / 2, arc / 2, num_views) if num_views > 1 else np.array([-45.0])
        elevation = low + (high - low) * (np.arange(num_views) * GOLDEN_RATIO % 1)
        far = np.full(num_views, distance)
    else:
        azimuth = ARC_DEGREES * ((np.arange(num_views) + rng.random(num_views)) / num_views - 0.5)
        elevation = rng.uniform(low, high, num_views)
        far = distance * rng.uniform(*RANDOM_DISTANCE, num_views)
    places = middle + _from_origin(np.radians(azimuth), np.radians(elevation), far)
    return {view: frame(place, workspace, size) for view, place in zip(views, places, strict=True)}


def all_around(
    num_views: int,
    elevation_degrees: tuple[float, float],
    distance: tuple[float, float],
    rng: np.random.Generator | None = None,
) -> Float[np.ndarray, "views 3"]:
    """Positions for cameras all around the origin, spread in height and distance.

    Args:
        num_views: Number of positions.
        elevation_degrees: Least and greatest elevation.
        distance: Least and greatest distance from the origin, in metres.
        rng: Source of random positions, each in its own part of the circle, at a random elevation
            and distance.
    """
    i = np.arange(num_views)
    if rng is None:
        # Multiples of two different irrational numbers keep height and distance uncorrelated.
        along, up, out = np.full(num_views, 0.3), i * GOLDEN_RATIO % 1, (0.5 + i * np.sqrt(2)) % 1
    else:
        along, up, out = rng.random((3, num_views))
    azimuth = 2 * np.pi * (i + along) / num_views
    elevation = np.radians(np.interp(up, (0, 1), elevation_degrees))
    return _from_origin(azimuth, elevation, np.interp(out, (0, 1), distance))


def _from_origin(
    azimuth: Float[np.ndarray, " views"],
    elevation: Float[np.ndarray, " views"],
    distance: Float[np.ndarray, " views"],
) -> Float[np.ndarray, "views 3"]:
    """Points at some distances from the origin, in directions given by two angles in radians."""
    flat = np.cos(elevation)
    directions = [flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)]
    return distance[:, None] * np.stack(directions, axis=1)


def frame(
    position: Float[np.ndarray, 3], workspace: Float[np.ndarray, "points 3"], size: int
) -> Camera:
    """A camera at a position, turned and zoomed so that a workspace fills its square picture.

    Args:
        position: Position of the camera, in world metres.
        workspace: World points in metres.
        size: Height and width of the image in pixels.
    """
    target = workspace.mean(0)
    camera = Camera.look_at(position, target, np.array([0.0, 0, 1]), 45.0, size, size)
    # Aiming at the middle of the projected workspace changes the projection a little, so the aim
    # is repeated until it converges.
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
