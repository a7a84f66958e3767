"""Keypoints of an episode: the robot is placed at each time step and looked at by each camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from datasets.errors import require_known
from datasets.kinematics.points import MAX_DEPTH_IN_LINK, Attachment
from datasets.kinematics.rig import RigCamera
from datasets.kinematics.robot import Joint, Robot
from datasets.lens import distorting
from datasets.storage.episode_file import Episode


@dataclass(frozen=True, eq=False)
class Motion:
    """How a robot moves in an episode.

    Attributes:
        robot: The robot.
        joints: Its joints that are known.
        values: Their values at each time step, in radians and metres, (T, joints).
        base: Transform from the robot's frame to the world, in metres.
    """

    robot: Robot
    joints: Sequence[Joint]
    values: Float[np.ndarray, "time joints"]
    base: Float[np.ndarray, "4 4"]

    def at(self, times: Float[np.ndarray, " times"]) -> Motion:
        """The same motion at other moments, in time steps: between two, joints move evenly."""
        steps = np.arange(len(self.values))
        columns = [np.interp(times, steps, column) for column in self.values.T]
        return replace(self, values=np.stack(columns, axis=1))

    def place(self, time: int) -> None:
        """Sets the robot's joints as they are at a time step."""
        self.robot.place(self.joints, self.values[time])

    def world_to_camera(self, camera: RigCamera, time: int) -> Float[np.ndarray, "4 4"]:
        """The pose of a camera now, at the time step at which the robot was placed."""
        if not camera.link:
            return camera.at(time)
        require_known(f"link of {self.robot.name}", camera.link, self.robot.parents)
        return camera.at(time) @ np.linalg.inv(self.base @ self.robot.pose(camera.link))


def add_keypoints(
    episode: Episode,
    motion: Motion,
    cameras: Mapping[str, RigCamera],
    points: Sequence[Attachment],
    views: Mapping[str, Motion] | None = None,
) -> Episode:
    """The episode with the keypoints of its robot, and with its cameras.

    A keypoint is visible where it is inside the picture and the first surface of the robot that the
    ray to it meets belongs to the keypoint's own links, at most `MAX_DEPTH_IN_LINK` before it. What
    other things hide is not known.

    Args:
        episode: The episode.
        motion: How its robot moves.
        cameras: View to its camera.
        points: Where the keypoints are on the robot.
        views: View to how the robot moves at the moments of its pictures; by default, at those of
            the joints.
    """
    steps, count = len(episode), len(points)
    world = np.zeros((steps, count, 3), np.float32)
    pixels = {view: np.zeros((steps, count, 2), np.float32) for view in episode.images}
    visible = {view: np.zeros((steps, count), bool) for view in episode.images}
    poses = {view: np.zeros((steps, 4, 4)) for view in episode.images}
    for time in range(steps):
        motion.place(time)
        local = motion.robot.positions(points)
        world[time] = local @ motion.base[:3, :3].T + motion.base[:3, 3]
        for view, frames in episode.images.items():
            if views is not None:
                views[view].place(time)
                local = motion.robot.positions(points)
            camera, pose = cameras[view], motion.world_to_camera(cameras[view], time)
            height, width = frames.shape[1:3]
            in_robot = pose @ motion.base
            pixels[view][time], inside = camera.project(local, in_robot, (height, width))
            visible[view][time] = inside & _unhidden(motion.robot, local, in_robot, points)
            poses[view][time] = pose
    return replace(
        episode,
        keypoints=pixels,
        visible=visible,
        keypoints_world=world,
        intrinsics={view: cameras[view].intrinsics for view in episode.images},
        world_to_camera={v: p[0] if (p == p[0]).all() else p for v, p in poses.items()},
        lenses=distorting({view: cameras[view].lens for view in episode.images}),
    )


def _unhidden(
    robot: Robot,
    places: Float[np.ndarray, "points 3"],
    robot_to_camera: Float[np.ndarray, "4 4"],
    points: Sequence[Attachment],
) -> Bool[np.ndarray, " points"]:
    """Whether the robot itself hides no keypoint from a camera, in the robot's frame."""
    rotation, translation = robot_to_camera[:3, :3], robot_to_camera[:3, 3]
    origin = -rotation.T @ translation
    rays = places - origin
    share, bodies = robot.hits(origin, rays)
    before = (1 - share) * np.linalg.norm(rays, axis=1)
    own = [
        bool({robot.body(name) for name in point.own_bodies} & {int(body)})
        for point, body in zip(points, bodies, strict=True)
    ]
    # Nothing before the keypoint: it lies on the surface, in plain sight.
    return (share > 1) | (np.array(own) & (before <= MAX_DEPTH_IN_LINK))
