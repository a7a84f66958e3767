"""Camera rigs: third-person cameras around a task, framed so that the whole motion fits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from datasets.cameras import Camera

# The ring is open behind the robot, where its own arm would hide what it does.
ARC_DEGREES = 270.0
ELEVATION_DEGREES = (12.0, 48.0)
# Successive multiples of the golden ratio, modulo 1, spread evenly for any number of views.
GOLDEN_RATIO = (np.sqrt(5) - 1) / 2
MARGIN = 0.06
# By how much the distance of a camera of a random ring may differ.
RANDOM_DISTANCE = (0.85, 1.2)


def ring(
    views: Sequence[str],
    workspace: Float[np.ndarray, "points 3"],
    distance: float,
    size: int,
    rng: np.random.Generator | None = None,
) -> dict[str, Camera]:
    """Cameras on a ring around a workspace, well apart in azimuth and in height.

    Azimuth 0 is the world's +x, which a robot at negative x faces. The rig depends on nothing but
    its arguments, so that without `rng` it is the same over a data set.

    Args:
        views: Their names, in order of azimuth.
        workspace: World points in metres that every camera must have in its picture.
        distance: From a camera to the middle of the workspace, in metres.
        size: Height and width of the images in pixels.
        rng: Draws each camera from its own part of the arc, at any height of the rig's, nearer or
            farther by `RANDOM_DISTANCE`.
    """
    num_views = len(views)
    middle = (workspace.min(0) + workspace.max(0)) / 2
    low, high = ELEVATION_DEGREES
    if rng is None:
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
    """Places for cameras all around the origin, as varied in height and distance as can be.

    Args:
        num_views: How many.
        elevation_degrees: The least and the most.
        distance: The least and the most, in metres.
        rng: Draws each place from its own part of the circle, at any height and distance.
    """
    i = np.arange(num_views)
    if rng is None:
        # Multiples of two irrational numbers, so that height and distance go their own ways.
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
    """Points that far from the origin, in the directions of two angles in radians."""
    flat = np.cos(elevation)
    directions = [flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)]
    return distance[:, None] * np.stack(directions, axis=1)


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
