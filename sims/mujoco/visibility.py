"""Visibility of keypoints by one ray each, which saves another pass of the renderer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from datasets.cameras import Camera
from datasets.kinematics.points import MAX_DEPTH_IN_LINK
from sims.mujoco.light_meshes import VISUAL_GROUP

if TYPE_CHECKING:
    import mujoco


def visible_keypoints(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    camera: Camera,
    keypoints: Float[np.ndarray, "keypoints 3"],
    own_bodies: Sequence[frozenset[int]],
    groups: Collection[int] = (VISUAL_GROUP,),
    max_depth: float | Float[np.ndarray, " keypoints"] = MAX_DEPTH_IN_LINK,
    must_touch: bool = False,
) -> Bool[np.ndarray, " keypoints"]:
    """Whether each keypoint is inside the image and not hidden.

    A joint lies inside the robot, so it is never on the surface that a camera sees. It counts as
    visible when the first visual surface on the ray from the camera to it belongs to one of the
    links that meet at this joint and lies at most `max_depth` in front of it: then its pixel shows
    its own part of the robot. Any other link or object in between hides it.

    Args:
        model: The physics model, with its full meshes.
        data: The current state of the model.
        camera: The camera.
        keypoints: World coordinates in metres.
        own_bodies: For each keypoint, the bodies whose surface shows it.
        groups: Groups of the geoms that a camera sees.
        max_depth: Greatest depth of a keypoint under its surface, in metres.
        must_touch: Whether a keypoint outside of its bodies, as between two fingers, is visible
            only where such a surface is right behind it. Otherwise it is where nothing hides it.
    """
    import mujoco

    drawn = np.zeros(mujoco.mjNGROUP, np.uint8)
    drawn[list(groups)] = 1
    limit = np.broadcast_to(max_depth, len(keypoints))
    pixels, _ = camera.project(keypoints)
    visible = camera.contains(pixels)
    geom = np.zeros(1, np.int32)
    origin = camera.position
    for i in np.flatnonzero(visible):
        ray = keypoints[i] - origin
        fraction = mujoco.mj_ray(model, data, origin, ray, drawn, True, -1, geom)
        if not must_touch and not 0 <= fraction <= 1:
            continue  # nothing before the keypoint: it lies on the surface, in plain sight
        own = fraction >= 0 and int(model.geom_bodyid[geom[0]]) in own_bodies[i]
        visible[i] = own and abs(1 - fraction) * np.linalg.norm(ray) <= limit[i]
    return visible
