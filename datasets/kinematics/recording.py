"""Recordings of one robot: which robot, where it stands, and how it moves in an episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import scipy  # loads scipy.spatial at its first use, which help texts do not need
import tyro

from datasets.bounds import require_finite
from datasets.command import optional
from datasets.errors import OptionError
from datasets.kinematics.catalogue import find_robot
from datasets.kinematics.checks import check_joints
from datasets.kinematics.columns import (
    JointOptions,
    choose_joints,
    finger_values,
    joint_values,
    read_columns,
)
from datasets.kinematics.points import Attachment
from datasets.kinematics.robot import Joint, Robot
from datasets.kinematics.track import Motion
from datasets.skeletons import Skeleton
from datasets.storage.episode_file import Episode

# Farther than an arm stands from the origin that it shares with its cameras, in metres: such
# numbers are of another unit, and would leave no digits for a pixel.
_FARTHEST = 10_000.0


@dataclass(frozen=True, kw_only=True)
class RecordingOptions(JointOptions):
    """Recordings of a robot.

    Attributes:
        data: Data set of the recordings.
        robot: Name of a robot of an installed package, such as panda, or the path of a URDF or
            MJCF file.
        links: Links that are keypoints, each as NAME or NAME:X,Y,Z with a position on the link in
            metres; by default all links that can be seen, or the keypoints of the Panda.
        base: Where the robot's base is in the world: x y z in metres, and if it is turned roll,
            pitch and yaw in degrees as in URDF.
        cameras: Calibrations, each a file, a folder, or VIEW=FILE, of OpenCV, ROS, Kalibr, DROID or
            a rig of this project; by default those that the recordings hold.
        offset: Seconds by which the pictures are later than the joints, for all views or as
            VIEW=SECONDS; or the word estimated. By default, nothing is shifted.
    """

    data: tyro.conf.Positional[Annotated[Path, optional("DATA")]]
    robot: str
    links: tuple[str, ...] = ()
    base: tuple[float, ...] = (0.0, 0.0, 0.0)
    cameras: tuple[str, ...] = ()
    offset: tuple[str, ...] = ()


class RecordedRobot:
    """A robot and how it moves in recordings.

    Attributes:
        robot: The robot.
        base: Transform from the robot's frame to the world.
        skeleton: The skeleton of its keypoints.
        points: Where its keypoints are on it.
    """

    skeleton: Skeleton
    points: list[Attachment]

    def __init__(self, options: RecordingOptions) -> None:
        """Loads the robot.

        Raises:
            DataError: When its file cannot be used, or MuJoCo is missing.
            UnknownNameError: When there is no such robot or link.
            OptionError: When the base is not 3 or 6 numbers.
        """
        self._options, self.base = options, base_pose(options.base)
        self.robot = Robot(find_robot(options.robot))
        self.skeleton, self.points = self.robot.keypoints(options.links)

    @property
    def places(self) -> Mapping[str, Attachment]:
        """Every place on the robot that has a name: its keypoints, and the origins of its links."""
        origins = {link: Attachment(link, (0.0, 0.0, 0.0), (link,)) for link in self.robot.parents}
        return {**origins, **dict(zip(self.skeleton.keypoints, self.points, strict=True))}

    def motion(self, episode: Episode, name: str) -> tuple[Motion, list[str]]:
        """How the robot moves in an episode, and sentences on what looks wrong with its joints.

        Raises:
            DataError: When the columns do not exist, or are not those of the robot's joints.
        """
        options = self._options
        given = read_columns(episode, options.joints, name)
        grip = read_columns(episode, options.gripper, name) if options.gripper else given[:, :0]
        joints, fingers = choose_joints(self.robot, options, given.shape[1], grip.shape[1])
        values = joint_values(given, joints, options)
        doubts = check_joints(values, given, joints, options)
        rest = self._resting(joints, fingers)
        if fingers:
            values = np.concatenate([values, finger_values(grip, fingers, options)], axis=1)
        if rest:
            doubts.append(f"{', '.join(rest)} stand where the robot's file has them, unmoved")
        if self.robot.floats:
            doubts.append("its base floats, and is taken to stand where --base says all the time")
        return Motion(self.robot, [*joints, *fingers], values, self.base), doubts

    def _resting(self, joints: Sequence[Joint], fingers: Sequence[Joint]) -> list[str]:
        known = {joint.name for joint in (*joints, *fingers)}
        return [joint.name for joint in self.robot.joints if joint.name not in known]


def base_pose(numbers: Sequence[float]) -> np.ndarray:
    """The transform from a robot's frame to the world, from x y z and roll pitch yaw in degrees.

    Raises:
        OptionError: When there are neither 3 nor 6 finite numbers, or the base is too far away.
    """
    if len(numbers) not in (3, 6):
        raise OptionError(
            f"--base needs x y z, or x y z roll pitch yaw, got {len(numbers)} numbers."
        )
    require_finite("--base", numbers)
    if max(map(abs, numbers[:3])) > _FARTHEST:
        raise OptionError(
            f"--base is {max(map(abs, numbers[:3])):g} m from the middle of the world: choose a "
            f"world whose origin is within {_FARTHEST:g} m, in metres."
        )
    pose = np.eye(4)
    pose[:3, 3] = numbers[:3]
    if len(numbers) == 6:
        pose[:3, :3] = scipy.spatial.transform.Rotation.from_euler(
            "xyz", numbers[3:], degrees=True
        ).as_matrix()
    return pose
