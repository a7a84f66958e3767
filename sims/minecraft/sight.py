"""Where cameras see a player's body: which keypoints, and which pixels, without a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool, Float

from datasets.cameras import Camera
from sims.minecraft.player import KEYPOINTS, PARTS, Boxes


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


# Shares of the way from origins to points at which something other than the body is met.
Obstacles = Callable[[np.ndarray, np.ndarray], np.ndarray]

# A keypoint may be seen on the parts that meet there.
_OWN = np.array([[part in place.own_parts for part in PARTS] for place in KEYPOINTS.values()])
_PART = np.array([list(PARTS).index(place.part) for place in KEYPOINTS.values()])


def visible_on_body(
    cameras: Mapping[str, Camera],
    keypoints: Float[np.ndarray, "keypoints 3"],
    boxes: Boxes,
    drawn: Mapping[str, Bool[np.ndarray, " parts"]],
    obstacles: Obstacles,
) -> dict[str, Bool[np.ndarray, " keypoints"]]:
    """Which of the player's keypoints each view sees: inside the image and not hidden.

    As a joint lies inside the body, it counts as visible when the first surface on the ray to it
    belongs to one of the parts that meet there.

    Args:
        cameras: Of every view.
        keypoints: World coordinates of `sims.minecraft.player.KEYPOINTS`, in metres.
        boxes: The body's parts.
        drawn: Which of them each view draws; it sees no keypoint of another.
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
    """The pixels whose middle shows one of some boxes, before any of the obstacles."""
    y, x = (np.indices((camera.height, camera.width)) + 0.5).reshape(2, -1)
    rays = np.linalg.solve(camera.intrinsics, np.stack([x, y, np.ones_like(x)])).T
    points = camera.position + rays @ camera.world_to_camera[:3, :3]
    origins = np.broadcast_to(camera.position, points.shape)
    first = boxes_hit(origins, points, boxes).min(axis=1)
    before = first < boxes_hit(origins, points, obstacles).min(axis=1)
    return before.reshape(camera.height, camera.width)
