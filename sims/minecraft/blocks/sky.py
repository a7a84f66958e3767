"""The sky over the blocks: a dome that is paler towards the horizon, and clouds."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from sims.minecraft.blocks.mesh import Quads

_HAZE, _ZENITH, _CLOUD = (206, 226, 240), (112, 172, 232), (244, 249, 253)
_RADIUS = 100.0  # metres
# Elevations of the dome's rings in degrees; the colour changes up to 50 degrees.
_ELEVATIONS = (-2.0, 2.0, 20.0, 50.0, 90.0)
_SPOKES = 16
_CLOUD_HEIGHT = 22.0  # metres
_CLOUDS = 18


def dome() -> Quads:
    """A hemisphere around the origin, visible from inside."""
    azimuth = np.linspace(0, 2 * np.pi, _SPOKES + 1)
    elevation = np.radians(_ELEVATIONS)
    flat = np.cos(elevation)[:, None]
    points = _RADIUS * np.stack(
        [
            flat * np.cos(azimuth),
            flat * np.sin(azimuth),
            np.broadcast_to(np.sin(elevation)[:, None], (len(elevation), len(azimuth))),
        ],
        axis=-1,
    )
    blue = np.clip(np.array(_ELEVATIONS) / 50, 0, 1)[:, None]
    tints = (1 - blue) * np.array(_HAZE) + blue * np.array(_ZENITH)
    tints = np.broadcast_to(tints[:, None], points.shape)
    return _untextured(_corners(points), _corners(tints))


def _corners(grid: Float[np.ndarray, "rings spokes 3"]) -> Float[np.ndarray, "quads 4 3"]:
    """Corners of the grid's cells, counter-clockwise as seen from inside."""
    around = [grid[:-1, 1:], grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:]]
    return np.stack(around, axis=2).reshape(-1, 4, 3)


def clouds() -> Quads:
    """Flat rectangles overhead, the same in every world, visible from below."""
    rng = np.random.default_rng(22)
    middles = rng.uniform(-60, 60, (_CLOUDS, 1, 2))
    halves = rng.uniform([2.5, 1.5], [8.0, 4.0], (_CLOUDS, 2))[:, None]
    signs = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])
    corners = np.full((_CLOUDS, 4, 3), _CLOUD_HEIGHT)
    corners[..., :2] = middles + halves * signs
    return _untextured(corners, np.broadcast_to(np.array(_CLOUD, float), corners.shape))


def _untextured(
    corners: Float[np.ndarray, "quads 4 3"], tints: Float[np.ndarray, "quads 4 3"]
) -> Quads:
    colours = np.full((*tints.shape[:2], 4), 255, np.uint8)
    colours[..., :3] = tints
    return Quads.plain(corners, colours, np.zeros((*corners.shape[:2], 2)))
