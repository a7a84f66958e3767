"""Visibility of keypoints by one ray each, which saves another pass of the renderer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from datasets.cameras import Camera
from datasets.kinematics.points import MAX_DEPTH_IN_LINK
from sims.robosuite.light_meshes import VISUAL_GROUP

if TYPE_CHECKING:
    import mujoco


def visible_keypoints(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    camera: Camera,
    keypoints: Float[np.ndarray, "keypoints 3"],
    own_bodies: Sequence[frozenset[int]],
) -> Bool[np.ndarray, " keypoints"]:
    """Whether each keypoint is inside the image and not hidden.

    A joint lies inside the robot, so it is never on the surface that a camera sees. It counts as
    visible when the first visual surface on the ray from the camera to it belongs to one of the
    links that meet at this joint and lies at most `MAX_DEPTH_IN_LINK` in front of it: then its
    pixel shows its own part of the robot. Any other link or object in between hides it.

    Args:
        model: The physics model, with its full meshes.
        data: The current state of the model.
        camera: The camera.
        keypoints: World coordinates in metres.
        own_bodies: For each keypoint, the bodies whose surface shows it.
    """
    import mujoco

    groups = np.zeros(mujoco.mjNGROUP, np.uint8)
    groups[VISUAL_GROUP] = 1
    pixels, _ = camera.project(keypoints)
    visible = camera.contains(pixels)
    geom = np.zeros(1, np.int32)
    origin = camera.position
    for i in np.flatnonzero(visible):
        ray = keypoints[i] - origin
        fraction = mujoco.mj_ray(model, data, origin, ray, groups, True, -1, geom)
        if fraction < 0 or fraction > 1:
            continue  # nothing before the keypoint: it lies on the surface, in plain sight
        depth_in_link = (1 - fraction) * np.linalg.norm(ray)
        visible[i] = (
            int(model.geom_bodyid[geom[0]]) in own_bodies[i] and depth_in_link <= MAX_DEPTH_IN_LINK
        )
    return visible
