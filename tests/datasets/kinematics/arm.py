"""A small arm of boxes as URDF, a camera that looks at it, and its pictures."""

import numpy as np

from datasets.cameras import Camera
from datasets.kinematics.catalogue import find_robot
from datasets.kinematics.rig import RigCamera
from datasets.kinematics.robot import Robot
from datasets.kinematics.silhouette import silhouette
from datasets.kinematics.track import Motion

SIZE = 64
# Two links of 0.4 m that turn about y, and a finger that slides, with another one that follows it.
URDF = """<robot name="arm">
  <link name="foot">{foot}</link>
  <link name="upper">{box}</link>
  <link name="lower">{box}</link>
  <link name="left_tip"/>
  <link name="right_tip"/>
  <joint name="shoulder" type="revolute"><parent link="foot"/><child link="upper"/>
    <axis xyz="0 1 0"/><limit lower="-0.5" upper="1.5" effort="1" velocity="1"/></joint>
  <joint name="elbow" type="revolute"><parent link="upper"/><child link="lower"/>
    <origin xyz="0 0 0.4"/><axis xyz="0 1 0"/>
    <limit lower="-2" upper="0.2" effort="1" velocity="1"/></joint>
  <joint name="left_finger" type="prismatic"><parent link="lower"/><child link="left_tip"/>
    <origin xyz="0 0 0.4"/><axis xyz="0 1 0"/>
    <limit lower="0" upper="0.04" effort="1" velocity="1"/></joint>
  <joint name="right_finger" type="prismatic"><parent link="lower"/><child link="right_tip"/>
    <origin xyz="0 0 0.4"/><axis xyz="0 -1 0"/><mimic joint="left_finger"/>
    <limit lower="0" upper="0.04" effort="1" velocity="1"/></joint>
</robot>"""
BOX = (
    '<visual><origin xyz="0 0 0.2"/><geometry><box size="0.08 0.08 0.4"/></geometry></visual>'
    '<collision><geometry><box size="1 1 1"/></geometry></collision>'
)


def write_arm(folder, foot=""):
    file = folder / "arm.urdf"
    file.write_text(URDF.format(box=BOX, foot=foot))
    return file


def load_arm(folder, foot=""):
    return Robot(find_robot(str(write_arm(folder, foot))))


def joints(steps=6):
    """Shoulder and elbow in radians, within their ranges."""
    along = np.linspace(0, 1, steps)[:, None]
    return np.array([0.1, -0.2]) + along * np.array([0.9, -1.2])


def camera(side=1.0):
    return Camera.look_at(
        np.array([0.2, -1.8 * side, 0.6]),
        np.array([0.2, 0.0, 0.35]),
        np.array([0.0, 0, 1]),
        50.0,
        SIZE,
        SIZE,
    )


def rig_camera(side=1.0):
    seen = camera(side)
    return RigCamera(seen.intrinsics, seen.world_to_camera)


def make_motion(robot, values=None):
    values = joints() if values is None else values
    return Motion(robot, robot.arm, values, np.eye(4))


def pictures(motion, of):
    """Grey pictures with the arm in white: what a camera would see."""
    frames = []
    for time in range(len(motion.values)):
        mask = silhouette(motion, of, time, (SIZE, SIZE), (SIZE, SIZE))
        frames.append(np.repeat(np.where(mask, 230, 60).astype(np.uint8)[..., None], 3, axis=2))
    return np.stack(frames)
