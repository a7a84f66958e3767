"""Random colours and patterns for scenes."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8

# Darker things hide their shape in weak light: at 0.25, many walls looked black.
SATURATION, VALUE = (0.1, 0.9), (0.4, 1.0)
# Repeats of a pattern along a side of its texture.
REPEATS = (2, 12)
# A pattern has at most this many pixels a side, and fills larger textures by repeating each: those
# of robosuite have 3,072, and drawing all of them would take a second an episode.
FINEST = 256
# Cells of the coarse random grid that smooth patterns are drawn from.
CELLS = (3, 9)

Shares = Float[np.ndarray, "height width"]


def random_colour(rng: np.random.Generator) -> Float[np.ndarray, 3]:
    """A colour as RGB from 0 to 1, bright enough to show shapes."""
    hue, saturation, value = rng.random(), rng.uniform(*SATURATION), rng.uniform(*VALUE)
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value))


def random_texture(
    rng: np.random.Generator, height: int, width: int
) -> UInt8[np.ndarray, "height width 3"]:
    """A pattern of two random colours: tiles, stripes, clouds, or one colour passing into another.

    Args:
        rng: Source of the kind, the colours and the pattern.
        height: Pixels from top to bottom.
        width: Pixels from left to right.
    """
    first, second = random_colour(rng), random_colour(rng)
    pattern = PATTERNS[int(rng.integers(len(PATTERNS)))]
    shares = pattern(rng, min(height, FINEST), min(width, FINEST))[..., None]
    small = np.rint(255 * (first + shares * (second - first))).astype(np.uint8)
    rows, columns = (
        np.arange(side) * drawn // side
        for side, drawn in zip((height, width), small.shape[:2], strict=True)
    )
    return small[rows[:, None], columns]


def _grid(height: int, width: int) -> tuple[Shares, Shares]:
    """Height and width of each pixel's middle, as shares of the texture's sides."""
    y, x = np.indices((height, width)) + 0.5
    return y / height, x / width


def _tiles(rng: np.random.Generator, height: int, width: int) -> Shares:
    (y, x), (down, across) = _grid(height, width), rng.integers(*REPEATS, 2)
    return (np.floor(y * down) + np.floor(x * across)) % 2


def _stripes(rng: np.random.Generator, height: int, width: int) -> Shares:
    (y, x), (down, across) = _grid(height, width), rng.integers(*REPEATS, 2)
    return 0.5 + 0.5 * np.sin(2 * np.pi * (y * down + x * across))


def _clouds(rng: np.random.Generator, height: int, width: int) -> Shares:
    cells = int(rng.integers(*CELLS))
    heights = rng.random((cells, cells))
    places = np.arange(cells)
    y, x = (np.linspace(0, cells - 1, side) for side in (height, width))
    rows = np.stack([np.interp(y, places, column) for column in heights.T], axis=1)
    return np.stack([np.interp(x, places, row) for row in rows])


def _passage(rng: np.random.Generator, height: int, width: int) -> Shares:
    (y, x), angle = _grid(height, width), rng.uniform(0, 2 * np.pi)
    along = y * np.sin(angle) + x * np.cos(angle)
    return (along - along.min()) / max(np.ptp(along), 1e-9)


PATTERNS: tuple[Callable[[np.random.Generator, int, int], Shares], ...] = (
    _tiles,
    _stripes,
    _clouds,
    _passage,
)
