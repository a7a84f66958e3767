"""Add the keypoints of a robot to recordings, from its joints, its URDF or MJCF, and its cameras.

Examples:
    python -m datasets.keypoints DATA --robot panda --joints joint_pos --preview look
    python -m datasets.keypoints DATA --robot panda --joints joint_pos --base 0 0 0.9 --out OUT
    python -m datasets.keypoints DATA --robot arm.urdf --joints observation.state[:6] --out OUT

DATA may have any format that `python -m datasets.info` reads. Without --out nothing is written but
the pictures of --preview, which show the robot's silhouette over the first episode.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from datasets.bounds import Pixels
from datasets.calibration.reading import read_cameras, whole_cameras
from datasets.command import command, command_line, optional, parse
from datasets.convert import read_split, write_episodes
from datasets.errors import MismatchError, MissingDataError, OptionError
from datasets.formats.detect import open_source
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
from datasets.kinematics.preview import write_preview
from datasets.kinematics.rig import Convention, RigCamera, episode_cameras
from datasets.kinematics.robot import Joint, Robot
from datasets.kinematics.silhouette import CLEARLY_BETTER, best_convention, residual
from datasets.kinematics.track import Motion, add_keypoints
from datasets.skeletons import BUILT_IN, Skeleton
from datasets.source import Source, in_memory
from datasets.square import FitName, squared
from datasets.storage.atomic import atomic_folder, remove_leftovers
from datasets.storage.episode_file import SPLITS, Episode

logger = logging.getLogger(__name__)

# Frames of the first episode that are checked and drawn.
LOOKS = 4


@dataclass(frozen=True, kw_only=True)
class KeypointsConfig(JointOptions):
    """Add the keypoints of a robot to recordings.

    Attributes:
        data: Data set of the recordings.
        robot: Name of a robot of an installed package, such as panda, or the path of a URDF or
            MJCF file.
        out: Folder of the result, a data set of episodes. It must not exist.
        links: Links that are keypoints, each as NAME or NAME:X,Y,Z with a position on the link in
            metres; by default all links that can be seen, or the keypoints of the Panda.
        base: Where the robot's base is in the world: x y z in metres, and if it is turned roll,
            pitch and yaw in degrees as in URDF.
        cameras: Calibrations, each a file, a folder, or VIEW=FILE, of OpenCV, ROS, Kalibr, DROID or
            a rig of ours; by default those that the recordings hold.
        convention: What the stored poses of cameras mean.
        preview: Folder for pictures of the robot's silhouette over the first episode.
        size: Height and width of the written frames, in pixels; by default their present size.
        fit: How frames that are not square become square: pad puts black bars on two sides,
            squeeze distorts.
        split: Numbers of training, validation and test episodes, such as 10,5,5; by default those
            of the source.
    """

    data: tyro.conf.Positional[Annotated[Path, optional("DATA")]]
    robot: str
    out: Annotated[Path | None, optional("FOLDER")] = None
    links: tuple[str, ...] = ()
    base: tuple[float, ...] = (0.0, 0.0, 0.0)
    cameras: tuple[str, ...] = ()
    convention: Convention = "world-to-camera"
    preview: Annotated[Path | None, optional("FOLDER")] = None
    size: Annotated[Pixels | None, optional("PIXELS")] = None
    fit: FitName = "pad"
    split: Annotated[str | None, optional("TRAIN,VALID,TEST")] = None


class KeypointMaker:
    """Adds keypoints to the episodes of one robot.

    Attributes:
        skeleton: The skeleton of the keypoints.
    """

    skeleton: Skeleton

    def __init__(self, config: KeypointsConfig) -> None:
        """Loads the robot and the cameras.

        Raises:
            DataError: When a file cannot be used, or MuJoCo is missing.
            UnknownNameError: When there is no such robot or link.
            OptionError: When the base is not 3 or 6 numbers.
        """
        self.config, self.base = config, base_pose(config.base)
        self.robot = Robot(find_robot(config.robot))
        self.points: list[Attachment]
        self.skeleton, self.points = self.robot.keypoints(config.links)
        self._rig = read_cameras(config.cameras)

    def motion(self, episode: Episode, name: str) -> tuple[Motion, list[str]]:
        """How the robot moves in an episode, and sentences on what looks wrong with its joints.

        Raises:
            DataError: When the columns do not exist, or are not those of the robot's joints.
        """
        config = self.config
        given = read_columns(episode, config.joints, name)
        grip = read_columns(episode, config.gripper, name) if config.gripper else given[:, :0]
        joints, fingers = choose_joints(self.robot, config, given.shape[1], grip.shape[1])
        values = joint_values(given, joints, config)
        doubts = check_joints(values, given, joints, config)
        rest = self._resting(joints, fingers)
        if fingers:
            values = np.concatenate([values, finger_values(grip, fingers, config)], axis=1)
        if rest:
            doubts.append(f"{', '.join(rest)} stand where the robot's file has them, unmoved")
        return Motion(self.robot, [*joints, *fingers], values, self.base), doubts

    def cameras(self, episode: Episode, name: str) -> dict[str, RigCamera]:
        """The camera of each view.

        Raises:
            DataError: When a view has none, or one that does not fit its pictures.
        """
        if self._rig:
            found = whole_cameras(self._rig, episode, name)
        else:
            found = episode_cameras(episode, name)
        return {view: camera.read_as(self.config.convention) for view, camera in found.items()}

    def __call__(self, episode: Episode, name: str) -> Episode:
        """The episode with keypoints; errors as of `motion` and `cameras`."""
        motion, _ = self.motion(episode, name)
        return add_keypoints(episode, motion, self.cameras(episode, name), self.points)

    def _resting(self, joints: Sequence[Joint], fingers: Sequence[Joint]) -> list[str]:
        known = {joint.name for joint in (*joints, *fingers)}
        return [joint.name for joint in self.robot.joints if joint.name not in known]


def base_pose(numbers: Sequence[float]) -> np.ndarray:
    """The transform from a robot's frame to the world, from x y z and roll pitch yaw in degrees.

    Raises:
        OptionError: When there are neither 3 nor 6 numbers.
    """
    if len(numbers) not in (3, 6):
        raise OptionError(
            f"--base needs x y z, or x y z roll pitch yaw, got {len(numbers)} numbers."
        )
    pose = np.eye(4)
    pose[:3, 3] = numbers[:3]
    if len(numbers) == 6:
        pose[:3, :3] = Rotation.from_euler("xyz", numbers[3:], degrees=True).as_matrix()
    return pose


def check_first(source: Source, maker: KeypointMaker) -> Iterator[str]:
    """Judges the first episode, and draws it where --preview asks for it.

    Yields:
        A sentence for each view; doubts are logged as warnings.
    """
    name = f"{source.root}: {source.names[0]}"
    episode = source.sound_episode(0)
    motion, doubts = maker.motion(episode, name)
    cameras = maker.cameras(episode, name)
    times = np.linspace(0, len(episode) - 1, min(LOOKS, len(episode))).round().astype(int).tolist()
    for doubt in doubts:
        logger.warning("%s", doubt)
    for view in episode.images:
        found = residual(episode, motion, cameras[view], view, times)
        yield (
            f"{view}: {found.share:.0%} of the silhouette's edge lies on edges of the picture, "
            f"{found.chance:.0%} would by chance"
            if found.pixels
            else f"{view}: the robot is in none of {len(times)} pictures"
        )
    scores = best_convention(episode, motion, cameras, times)
    _warn_of_convention(scores, maker.config.convention)
    if maker.config.preview is not None:
        drawn = add_keypoints(episode, motion, cameras, maker.points)
        for file in write_preview(
            maker.config.preview, drawn, motion, cameras, maker.skeleton, times
        ):
            yield str(file)


def _warn_of_convention(scores: Mapping[Convention, float], used: Convention) -> None:
    """Names the convention in which the poses fit better than as they were read.

    `scores` speak of poses that were already turned from `used` into ours, so they are named from
    there: the two inversions of camera-to-world undo each other, and so do those of OpenGL.
    """
    best = max(scores, key=lambda convention: scores[convention])
    if scores[best] < scores["world-to-camera"] + CLEARLY_BETTER:
        return
    advice = f"try --convention {best}" if used == "world-to-camera" else "check --convention"
    logger.warning(
        "the silhouette fits the pictures better (%.2f against %.2f) where the cameras' poses are "
        "read as %s: %s",
        scores[best],
        scores["world-to-camera"],
        best,
        advice,
    )


def write_keypoints(source: Source, maker: KeypointMaker, out: Path, made_by: str = "") -> None:
    """Writes a data set of episodes with keypoints; an unfinished one is removed on failure.

    Raises:
        DataError: When `out` exists, the source has no splits, or an episode cannot be used.
    """
    config = maker.config
    if out.exists():
        raise MismatchError(f"{out} exists already: choose another folder, or remove it.")
    splits = source.splits if config.split is None else read_split(config.split, len(source))
    if splits is None:
        raise MissingDataError(
            f"{source.root} does not say which of its {len(source)} episodes are for training, "
            "validation and test. Give their numbers: --split 10,5,5"
        )
    own = None if maker.skeleton.name in BUILT_IN else maker.skeleton
    meta = replace(
        source.meta,
        skeleton=maker.skeleton.name,
        own_skeleton=own,
        image_size=config.size or max(source.frame_size),
        command=made_by or source.meta.command,
    )
    order = [(split, i) for split in SPLITS for i in splits.get(split, ())]
    remove_leftovers(out.parent, of=out.name)
    with atomic_folder(out) as temporary:
        progress = tqdm(order, unit="episode", disable=None)
        write_episodes(temporary, meta, _made(source, maker, progress, meta.image_size))


def _made(
    source: Source, maker: KeypointMaker, order: Iterable[tuple[str, int]], size: int
) -> Iterator[tuple[str, Episode]]:
    for split, i in order:
        name = f"{source.root}: {source.names[i]}"
        episode = maker(source.sound_episode(i), name)
        if any(frames.shape[1:3] != (size, size) for frames in episode.images.values()):
            episode = squared(in_memory(episode), size, maker.config.fit)
        yield split, episode


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    config = parse(
        KeypointsConfig,
        prog="python -m datasets.keypoints",
        arguments=arguments,
        description=__doc__,
    )
    with command(resume="Nothing was written."):
        maker, source = KeypointMaker(config), open_source(config.data)
        for line in check_first(source, maker):
            print(line)
        if config.out is not None:
            write_keypoints(
                source, maker, config.out, command_line("datasets.keypoints", arguments)
            )
            look = command_line("datasets.info", [str(config.out)])
            print(f"{config.out}\nLook at it:  {look}")


if __name__ == "__main__":
    main()
