"""Where rays first meet boxes and blocks: what hides a point from a camera, without a picture."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from sims.player import Boxes


def boxes_hit(
    origins: Float[np.ndarray, "rays 3"], points: Float[np.ndarray, "rays 3"], boxes: Boxes
) -> Float[np.ndarray, "rays boxes"]:
    """Share of the way from an origin to a point at which the line enters each box.

    Args:
        origins: World coordinates in metres.
        points: World coordinates in metres.
        boxes: Turned boxes.

    Returns:
        0 from inside a box, infinity where the line ahead misses it; shares above 1 lie behind
        the point.
    """
    # In each box's own frame its sides are slabs between -half and half.
    start = np.einsum("bij,rbi->rbj", boxes.rotations, origins[:, None] - boxes.centres)
    step = np.einsum("bij,ri->rbj", boxes.rotations, points - origins)
    step = np.where(np.abs(step) < 1e-12, 1e-12, step)
    half = boxes.sizes / 2
    one, other = (-half - start) / step, (half - start) / step
    enter = np.minimum(one, other).max(axis=-1)
    leave = np.maximum(one, other).min(axis=-1)
    return np.where((enter <= leave) & (leave >= 0), np.maximum(enter, 0), np.inf)


def blocks_hit(
    origins: Float[np.ndarray, "rays 3"],
    points: Float[np.ndarray, "rays 3"],
    solid: Bool[np.ndarray, "x y z"],
    corner: Float[np.ndarray, 3],
) -> Float[np.ndarray, " rays"]:
    """Share of the way from an origin to a point at which the line enters a solid unit block.

    Args:
        origins: World coordinates in metres.
        points: World coordinates in metres.
        solid: Which blocks are solid; beyond them is air.
        corner: Of the first block, in metres.

    Returns:
        Infinity where no block lies before the point.
    """
    start, step = origins - corner, points - origins
    step = np.where(np.abs(step) < 1e-12, 1e-12, step)
    # Shares at which the line crosses a plane between blocks, in order.
    count = int(np.ceil(np.abs(step).max(initial=0))) + 1
    nth = np.arange(count)[:, None]
    planes = np.where(
        step[:, None] > 0, np.floor(start)[:, None] + 1 + nth, np.ceil(start)[:, None] - 1 - nth
    )
    crossings = ((planes - start[:, None]) / step[:, None]).reshape(len(start), -1)
    crossings = np.sort(np.minimum(crossings, 1.0), axis=1)
    crossings = np.pad(crossings, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))
    # Between two crossings the line stays in one block, that of the middle.
    middles = (crossings[:, 1:] + crossings[:, :-1]) / 2
    cells = np.floor(start[:, None] + middles[..., None] * step[:, None]).astype(int)
    inside = ((cells >= 0) & (cells < solid.shape)).all(axis=-1)
    x, y, z = np.moveaxis(np.where(inside[..., None], cells, 0), -1, 0)
    met = solid[x, y, z] & inside & (np.diff(crossings) > 1e-9)
    first = np.take_along_axis(crossings, met.argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.where(met.any(axis=1), first, np.inf)
