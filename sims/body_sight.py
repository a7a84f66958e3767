"""Where cameras see a player's body: which keypoints, and which pixels, without a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool, Float

from datasets.cameras import Camera
from sims.player import KEYPOINTS, PARTS, Boxes
from sims.rays import boxes_hit

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
        keypoints: World coordinates of the keypoints of `sims.player.KEYPOINTS`, in metres.
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
