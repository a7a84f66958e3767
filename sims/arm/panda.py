"""Positions of the Panda's keypoints and hand-eye camera on robosuite's bodies."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from datasets.cameras import Camera
from datasets.skeletons import PANDA

# A keypoint lies inside its link, at most this far behind the link's surface, in metres. The
# longest distance through one of the Panda's links to its own joint is 0.14 m.
MAX_DEPTH_IN_LINK = 0.16


class Attachment(NamedTuple):
    """A point fixed to a body.

    Attributes:
        body: robosuite's name of the body.
        offset: Position in the body's own frame, in metres.
        own_bodies: Bodies whose surface shows the point.
    """

    body: str
    offset: tuple[float, float, float]
    own_bodies: tuple[str, ...]


HAND = "gripper0_right_right_gripper"
LEFT_FINGER = "gripper0_right_leftfinger"
RIGHT_FINGER = "gripper0_right_rightfinger"
GRIP_SITE = "gripper0_right_grip_site"
# The joints of the fingers, and the sign of the motion with which each opens the hand.
FINGER_JOINTS = ("gripper0_right_finger_joint1", "gripper0_right_finger_joint2")
FINGERS_OPEN = np.array([1.0, -1.0])


def _joint(number: int, along_axis: float = 0.0) -> Attachment:
    parent, child = f"robot0_link{number - 1}", f"robot0_link{number}"
    return Attachment(child, (0.0, 0.0, along_axis), (parent, child))


# Links 1 and 2 have the same origin, and so have links 5 and 6. So that all keypoints differ,
# joints 1, 5 and 7 lie where their axis leaves the link before, at the seam between the two links.
# Finger tips lie in the middle of the lower end of each finger's visual mesh.
KEYPOINTS = {
    "base": Attachment("robot0_link0", (0.0, 0.0, 0.06), ("robot0_link0",)),
    "joint1": _joint(1, -0.192),
    "joint2": _joint(2),
    "joint3": _joint(3),
    "joint4": _joint(4),
    "joint5": _joint(5, -0.259),
    "joint6": _joint(6),
    "joint7": _joint(7, 0.052),
    "hand": Attachment(HAND, (0.0, 0.0, 0.03), (HAND, "robot0_link7")),
    "left_finger": Attachment(LEFT_FINGER, (0.0, 0.0072, 0.0535), (LEFT_FINGER,)),
    "right_finger": Attachment(RIGHT_FINGER, (0.0, -0.0072, 0.0535), (RIGHT_FINGER,)),
}
assert tuple(KEYPOINTS) == PANDA.keypoints

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
