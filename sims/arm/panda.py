"""Positions of the Panda's keypoints and hand-eye camera on robosuite's bodies."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from datasets.cameras import Camera
from datasets.kinematics.points import PANDA_POINTS

HAND = "gripper0_right_right_gripper"
LEFT_FINGER = "gripper0_right_leftfinger"
RIGHT_FINGER = "gripper0_right_rightfinger"
GRIP_SITE = "gripper0_right_grip_site"
# The joints of the fingers, and the sign of the motion with which each opens the hand.
FINGER_JOINTS = ("gripper0_right_finger_joint1", "gripper0_right_finger_joint2")
FINGERS_OPEN = np.array([1.0, -1.0])


# robosuite's names of the bodies of `PANDA_POINTS`.
BODIES = {
    **{f"link{i}": f"robot0_link{i}" for i in range(8)},
    "hand": HAND,
    "leftfinger": LEFT_FINGER,
    "rightfinger": RIGHT_FINGER,
}
KEYPOINTS = {name: point.renamed(BODIES) for name, point in PANDA_POINTS.items()}

# The hand-eye camera in the frame of the gripper's body, whose z runs along the fingers and whose x
# is their opening direction. From beside the hand it shows both fingers at the lower edge of its
# picture. A wide lens turned a little outwards also shows the edge of the table, without which the
# picture would not change while the hand rises.
EGO_POSITION = np.array([0.0, 0.11, 0.0])
EGO_TARGET = EGO_POSITION + np.array([0.0, np.sin(np.radians(8)), np.cos(np.radians(8))])
EGO_UP = np.array([0.0, 1.0, 0.0])
EGO_FOVY_DEGREES = 118.0


def ego_camera(
    position: Float[np.ndarray, 3], rotation: Float[np.ndarray, "3 3"], size: int
) -> Camera:
    """The hand-eye camera of a gripper.

    Args:
        position: Position of the gripper's body, in world metres.
        rotation: Rotation of the gripper's body.
        size: Height and width of the image in pixels.
    """
    return Camera.look_at(
        position + rotation @ EGO_POSITION,
        position + rotation @ EGO_TARGET,
        rotation @ EGO_UP,
        EGO_FOVY_DEGREES,
        size,
        size,
    )
