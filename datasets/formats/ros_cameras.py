"""Cameras of recordings of ROS: lenses by `camera_info`, places by static transforms.

The frame of a camera_info is the optical one, whose axes are OpenCV's (REP 103). Where a chain of
static transforms leads from one frame to the optical frames of all views, it is the world.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy  # loads scipy.spatial at its first use, which help texts do not need
from jaxtyping import Float

from datasets.calibration.parts import CameraParts, transform
from datasets.calibration.ros import read
from datasets.errors import FormatError, MismatchError, MissingDataError
from datasets.formats.ros_messages import view_of
from datasets.kinematics.rig import RigCamera

INFO, TRANSFORMS = "sensor_msgs/msg/CameraInfo", "tf2_msgs/msg/TFMessage"
STATIC = "tf_static"
_INFO_TOPIC = "/camera_info"


@dataclass
class RecordedCameras:
    """The cameras of a bag.

    Attributes:
        infos: View to the first message of its camera_info.
        parents: Frame to the frame that it is fixed to, and the `geometry_msgs/Transform` to it.
    """

    infos: dict[str, Any] = field(default_factory=dict)
    parents: dict[str, tuple[str, Any]] = field(default_factory=dict)

    def add_info(self, topic: str, message: Any) -> None:
        """Remembers the first camera_info beside the pictures of a view."""
        if topic.endswith(_INFO_TOPIC):
            self.infos.setdefault(view_of(topic.removesuffix(_INFO_TOPIC)), message)

    def add_transforms(self, message: Any) -> None:
        """Remembers static transforms; later ones replace earlier ones."""
        for stamped in message.transforms:
            parent = _frame(stamped.header.frame_id)
            self.parents[_frame(stamped.child_frame_id)] = parent, stamped.transform

    def cameras(self, views: Mapping[str, tuple[str, tuple[int, int]]]) -> dict[str, RigCamera]:
        """The camera of each view, for its pictures; empty where no camera_info was recorded.

        Args:
            views: View to the topic of its pictures, and their height and width.

        Raises:
            MissingDataError: When a view has no camera_info, or no static transform leads to it.
            MismatchError: When no frame leads to all views, or pictures were cut.
            FormatError: When a camera is not calibrated, its lens is not known, or a transform has
                no rotation.
        """
        if not self.infos:
            return {}
        if missing := [view for view in views if view not in self.infos]:
            raise MissingDataError(f"no camera_info beside the pictures of {', '.join(missing)}")
        places = {view: self._place(_frame(self.infos[view].header.frame_id)) for view in views}
        roots = {root: view for view, (root, _) in places.items()}
        if len(roots) > 1:
            listed = ", ".join(f"{root} to {view}" for root, view in roots.items())
            raise MismatchError(f"static transforms lead from no one frame to all views ({listed})")
        return {
            view: self._camera(view, topic, size, places[view][1])
            for view, (topic, size) in views.items()
        }

    def _place(self, frame: str) -> tuple[str, Float[np.ndarray, "4 4"]]:
        """The frame from which static transforms lead to this one, and its pose in that frame."""
        if frame not in self.parents:
            raise MissingDataError(f"no static transform leads to the frame {frame or '(unnamed)'}")
        pose, seen = np.eye(4), set()
        while frame in self.parents and frame not in seen:
            seen.add(frame)
            parent, step = self.parents[frame]
            pose = _matrix(step, frame) @ pose
            frame = parent
        if frame in seen:
            raise FormatError(f"static transforms lead from {frame} to itself")
        return frame, pose

    def _camera(
        self, view: str, topic: str, size: tuple[int, int], pose: Float[np.ndarray, "4 4"]
    ) -> RigCamera:
        parts = _parts(view, topic, self.infos[view])
        assert parts.intrinsics is not None  # as `ros.read` makes them
        camera = RigCamera(parts.intrinsics, np.linalg.inv(pose), "", parts.lens, parts.size)
        return camera.of_pictures(size, view)


def _parts(view: str, topic: str, message: Any) -> CameraParts:
    """Intrinsics and lens; those of rectified pictures have no lens left."""
    rectified = "/image_rect" in topic
    matrix = np.reshape(_of(message, "p"), (3, 4))[:, :3] if rectified else _of(message, "k")
    stored = {
        "K": np.ravel(matrix).tolist(),
        "D": [] if rectified else np.ravel(_of(message, "d")).tolist(),
        "distortion_model": message.distortion_model,
        "width": message.width,
        "height": message.height,
    }
    return read(f"camera_info of {view}", stored)[""]


def _of(message: Any, name: str) -> np.ndarray:
    """A matrix of a camera_info, whose names are capital letters in ROS 1."""
    return getattr(message, name) if hasattr(message, name) else getattr(message, name.upper())


def _frame(name: str) -> str:
    """The name of a frame without the slash of tf's first version."""
    return name.removeprefix("/")


def _matrix(stored: Any, frame: str) -> Float[np.ndarray, "4 4"]:
    """The pose of a frame in its parent."""
    moved, turned = stored.translation, stored.rotation
    quaternion = np.array([turned.x, turned.y, turned.z, turned.w])
    if not np.linalg.norm(quaternion) > 0:
        raise FormatError(f"the static transform to {frame} has no rotation")
    rotation = scipy.spatial.transform.Rotation.from_quat(quaternion).as_matrix()
    return transform(rotation, np.array([moved.x, moved.y, moved.z]))
