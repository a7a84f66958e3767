"""Depth and masks as pictures that a person can look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8, UInt16

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

# Colour of pixels without a surface.
_NOTHING = (0, 0, 0)
_BACKGROUND = (60, 64, 70)


def colour_map(name: str) -> Colormap:
    """Matplotlib's colour map of this name."""
    import matplotlib  # takes half a second, which help texts do not need

    return matplotlib.colormaps[name]


def depth_pictures(
    depth: UInt16[np.ndarray, "time height width"],
) -> UInt8[np.ndarray, "time height width 3"]:
    """Depth from bright, the nearest of all these pictures, to dark; black where nothing is."""
    there = depth > 0
    if not there.any():
        return np.zeros((*depth.shape, 3), np.uint8)
    near, far = int(depth[there].min()), int(depth[there].max())
    shares = (far - depth.astype(np.float64)) / max(far - near, 1)
    pictures = colour_map("viridis")(np.clip(shares, 0, 1), bytes=True)[..., :3]
    return np.where(there[..., None], pictures, _NOTHING).astype(np.uint8)


def mask_pictures(
    masks: UInt8[np.ndarray, "time height width"], instances: int
) -> UInt8[np.ndarray, "time height width 3"]:
    """Masks with a colour for each instance; the background is dark.

    Args:
        masks: Numbers of instances.
        instances: How many there are.
    """
    colours = (colour_map("tab10")(np.arange(instances) % 10)[:, :3] * 255).round()
    colours[0] = _BACKGROUND
    return colours.astype(np.uint8)[masks]
