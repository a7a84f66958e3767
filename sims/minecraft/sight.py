"""Visibility of a player's keypoints and its silhouette, by rays instead of a rendered picture.

First the questions about the player, then the rays through boxes and blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool, Float

from datasets.cameras import Camera
from sims.minecraft.player import KEYPOINTS, PARTS, Boxes

# Returns, for rays from origins to points, the share of the distance at which they meet something
# other than the body.
Obstacles = Callable[[np.ndarray, np.ndarray], np.ndarray]

# Whether a keypoint is visible on each part: on those that meet at it.
_OWN = np.array([[part in place.own_parts for part in PARTS] for place in KEYPOINTS.values()])
_PART = np.array([list(PARTS).index(place.part) for place in KEYPOINTS.values()])


def visible_on_body(
    cameras: Mapping[str, Camera],
    keypoints: Float[np.ndarray, "keypoints 3"],
    boxes: Boxes,
    drawn: Mapping[str, Bool[np.ndarray, " parts"]],
    obstacles: Obstacles,
) -> dict[str, Bool[np.ndarray, " keypoints"]]:
    """Whether each of the player's keypoints is inside each view's image and not hidden.

    A joint lies inside the body, so it counts as visible when the first surface on the ray to it
    belongs to one of the parts that meet there.

    Args:
        cameras: Camera of every view.
        keypoints: World coordinates of `sims.minecraft.player.KEYPOINTS`, in metres.
        boxes: Parts of the body.
        drawn: Whether each view draws each part; keypoints of other parts are not visible.
        obstacles: Where rays, given by origins and points in metres, meet anything else.
    """
    count = len(keypoints)
    origins = np.repeat([camera.position for camera in cameras.values()], count, axis=0)
    points = np.tile(keypoints, (len(cameras), 1))
    parts = boxes_hit(origins, points, boxes).reshape(len(cameras), count, len(PARTS))
    others = obstacles(origins, points).reshape(len(cameras), count)
    seen = {}
    for (view, camera), hit, obstacle in zip(cameras.items(), parts, others, strict=True):
        own = np.where(_OWN & drawn[view], hit, np.inf).min(axis=1)
        other = np.where(~_OWN & drawn[view], hit, np.inf).min(axis=1)
        hidden = (np.minimum(other, obstacle) < own) | ~np.isfinite(own)
        inside = camera.contains(camera.project(keypoints)[0])
        seen[view] = inside & ~hidden & drawn[view][_PART]
    return seen


def silhouette(camera: Camera, boxes: Boxes, obstacles: Boxes) -> Bool[np.ndarray, "height width"]:
    """The pixels whose middle shows one of the boxes, with no obstacle in front of it."""
    # `Camera` counts from pixel edges, so the middle of a pixel is at a half.
    y, x = (np.indices((camera.height, camera.width)) + 0.5).reshape(2, -1)
    rays = np.linalg.solve(camera.intrinsics, np.stack([x, y, np.ones_like(x)])).T
    points = camera.position + rays @ camera.world_to_camera[:3, :3]
    origins = np.broadcast_to(camera.position, points.shape)
    first = boxes_hit(origins, points, boxes).min(axis=1)
    before = first < boxes_hit(origins, points, obstacles).min(axis=1)
    return before.reshape(camera.height, camera.width)


def boxes_hit(
    origins: Float[np.ndarray, "rays 3"], points: Float[np.ndarray, "rays 3"], boxes: Boxes
) -> Float[np.ndarray, "rays boxes"]:
    """Share of the distance from an origin to a point at which the line enters each box.

    Args:
        origins: World coordinates in metres.
        points: World coordinates in metres.
        boxes: Turned boxes.

    Returns:
        0 for an origin inside a box, infinity where the line ahead misses the box. Shares above 1
        lie behind the point.
    """
    # In the box's own frame, each pair of opposite sides bounds a slab from -half to half. The line
    # is inside the box while it is inside all three slabs.
    start = np.einsum("bij,rbi->rbj", boxes.rotations, origins[:, None] - boxes.centres)
    step = np.einsum("bij,ri->rbj", boxes.rotations, points - origins)
    step = np.where(np.abs(step) < 1e-12, 1e-12, step)  # avoids 0 / 0 for parallel sides
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
    """Share of the distance from an origin to a point at which the line enters a solid unit block.

    Args:
        origins: World coordinates in metres.
        points: World coordinates in metres.
        solid: Whether each block is solid; outside of the array is air.
        corner: Corner of the first block, in metres.

    Returns:
        The share; infinity where no block lies before the point.
    """
    start, step = origins - corner, points - origins
    step = np.where(np.abs(step) < 1e-12, 1e-12, step)
    # Shares at which the line crosses the planes between blocks, in order.
    count = int(np.ceil(np.abs(step).max(initial=0))) + 1
    nth = np.arange(count)[:, None]
    planes = np.where(
        step[:, None] > 0, np.floor(start)[:, None] + 1 + nth, np.ceil(start)[:, None] - 1 - nth
    )
    crossings = ((planes - start[:, None]) / step[:, None]).reshape(len(start), -1)
    crossings = np.sort(np.minimum(crossings, 1.0), axis=1)
    crossings = np.pad(crossings, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))
    # Between two crossings the line stays in one block, which contains the middle of the two.
    middles = (crossings[:, 1:] + crossings[:, :-1]) / 2
    cells = np.floor(start[:, None] + middles[..., None] * step[:, None]).astype(int)
    inside = ((cells >= 0) & (cells < solid.shape)).all(axis=-1)
    x, y, z = np.moveaxis(np.where(inside[..., None], cells, 0), -1, 0)
    met = solid[x, y, z] & inside & (np.diff(crossings) > 1e-9)
    first = np.take_along_axis(crossings, met.argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.where(met.any(axis=1), first, np.inf)
