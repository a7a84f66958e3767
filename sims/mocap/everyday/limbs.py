"""Inverse kinematics of a limb of two bones with a hinge between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

# A limb is never quite straight: its plane would be undefined.
STRAIGHT = 0.999


class Bend(NamedTuple):
    """Rotations of a limb.

    Attributes:
        upper: Rotation of the upper bone, which lies along -y of its frame, in the world.
        hinge: Rotation of the lower bone in the frame of the upper one, about z.
    """

    upper: Rotation
    hinge: Rotation


def bend_limb(
    start: Float[np.ndarray, "time 3"],
    target: Float[np.ndarray, "time 3"],
    bones: tuple[float, float],
    pole: Float[np.ndarray, "*time 3"],
    forward: bool,
) -> Bend:
    """Rotations with which the end of a limb reaches a target, or points at one out of reach.

    Args:
        start: Position of the shoulder or hip.
        target: Position that the end should reach.
        bones: Lengths of the upper and the lower bone.
        pole: Direction to which the elbow or knee points.
        forward: Whether the hinge bends forward, as an elbow, or backward, as a knee.
    """
    upper, lower = bones
    way = target - start
    far = np.linalg.norm(way, axis=1, keepdims=True)
    along = way / np.maximum(far, 1e-9)
    reach = np.clip(far, 1.05 * abs(upper - lower) + 1e-3, STRAIGHT * (upper + lower))
    aside = _unit(pole - (pole * along).sum(axis=1, keepdims=True) * along)
    cosine = np.clip((upper**2 + reach**2 - lower**2) / (2 * upper * reach), -1, 1)
    bone = along * cosine + aside * np.sqrt(1 - cosine**2)
    sign = 1.0 if forward else -1.0
    # The hinge is normal to the plane of the limb; the front of the bone follows.
    z = sign * np.cross(aside, along)
    axes = np.stack([np.cross(-bone, z), -bone, z], axis=-1)
    inner = np.clip((upper**2 + lower**2 - reach**2) / (2 * upper * lower), -1, 1)
    angle = sign * (np.pi - np.arccos(inner))
    return Bend(Rotation.from_matrix(axes), Rotation.from_rotvec(angle * [[0.0, 0.0, 1.0]]))


def _unit(vectors: Float[np.ndarray, "time 3"]) -> Float[np.ndarray, "time 3"]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
