"""Calm poses of the source clips, between which a standing or sitting person drifts."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation, Slerp

from sims.mocap.motion import FPS, JOINTS, Motion, Style, load_motion, styled

# Clips that have moments in which a person stands and holds the hands low.
SOURCES = ("walk", "punch", "kick", "dance_a", "dance_b", "jump", "spin", "getup_faceup")
# The least y of the pelvis's up axis and the largest turn of an arm from hanging, in degrees.
UPRIGHT, HANGING = 0.95, 50.0
# This share of a pose's own deviation from standing straight is kept: clips lean, people at home
# lean less.
KEPT = 0.7


@cache
def calm_poses() -> Float[np.ndarray, "poses joints 4"]:
    """Poses of the source clips in which a person stands calmly, without their heading."""
    poses = []
    for source in SOURCES:
        rotations = load_motion(source).rotations
        up = Rotation.from_quat(rotations[:, 0]).apply([0, 1, 0])[:, 1]
        low = np.ones(len(rotations), bool)
        for side in ("left", "right"):
            arm = Rotation.from_quat(rotations[:, JOINTS.index(f"{side}_shoulder")])
            hanging = np.degrees(np.arccos(np.clip(-arm.apply([0, -1, 0])[:, 1], -1, 1)))
            low &= hanging < HANGING
        chosen = rotations[(up > UPRIGHT) & low].copy()
        chosen[:, 0] = [0, 0, 0, 1]
        poses.append(chosen)
    return np.concatenate(poses)


def drift(rng: np.random.Generator, style: Style, count: int) -> Motion:
    """A person who stands in place and drifts from one calm pose to another.

    The two poses are of any clips. The subject's posture and slow swings are added.
    """
    ends = calm_poses()[rng.integers(len(calm_poses()), size=2)]
    times = np.arange(count) / FPS
    share = 0.5 - 0.5 * np.cos(np.pi * np.linspace(0, 1, count))
    rotations = np.empty((count, len(JOINTS), 4))
    for i in range(len(JOINTS)):
        between = Slerp([0, 1], Rotation.from_quat(ends[:, i]))(share)
        rotations[:, i] = (between**KEPT).as_quat()
    still = Motion(times, np.zeros((count, 3)), rotations, loops=False)
    return Motion(times, still.root, styled(still, style, rng), loops=False)
