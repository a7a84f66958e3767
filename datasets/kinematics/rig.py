"""Cameras of a rig, still, moving or on a link, and those that the episodes hold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float

from datasets.cameras import Camera
from datasets.errors import MismatchError, MissingDataError
from datasets.frames import Frames
from datasets.lens import Lens
from datasets.square import bars_of, has_bars
from datasets.storage.episode_file import Episode

Convention = Literal[
    "world-to-camera", "camera-to-world", "world-to-camera-opengl", "camera-to-world-opengl"
]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
# OpenGL and MuJoCo have y up and look along -z; OpenCV has y down and looks along z.
_TURN = np.diag([1.0, -1.0, -1.0, 1.0])
# Sides of pictures are whole numbers, so a smaller copy has almost the same ratio of them.
_SAME_RATIO = 0.01


@dataclass(frozen=True, eq=False)
class RigCamera:
    """A camera and how it is mounted.

    Attributes:
        intrinsics: (3, 3), in pixels.
        pose: World to camera, (4, 4) or (T, 4, 4); from the frame of `link` where there is one.
        link: Link that carries the camera; empty for one that stands in the world.
        lens: Its distortion.
        size: Height and width of the pictures for which the intrinsics are; None for those of the
            recordings, whatever they are.
    """

    intrinsics: Float[np.ndarray, "3 3"]
    pose: np.ndarray
    link: str = ""
    lens: Lens = field(default_factory=Lens)
    size: tuple[int, int] | None = None

    def at(self, time: int) -> Float[np.ndarray, "4 4"]:
        """The pose at a time step."""
        return self.pose[time] if self.pose.ndim == 3 else self.pose

    def read_as(self, convention: Convention) -> RigCamera:
        """The same camera where its pose was stored in another convention than ours."""
        pose = np.linalg.inv(self.pose) if convention.startswith("camera") else self.pose
        return replace(self, pose=_TURN @ pose if convention.endswith("opengl") else pose)

    def of_frames(self, frames: Frames, name: str) -> RigCamera:
        """The same camera for the frames of a view, also where black bars made them square.

        Args:
            frames: The frames.
            name: The view, for messages.

        Raises:
            MismatchError: See `of_pictures`.
        """
        size = self.size
        seen = self._padded(size) if size is not None and has_bars(frames, size) else self
        return seen.of_pictures((frames.shape[1], frames.shape[2]), name)

    def _padded(self, size: tuple[int, int]) -> RigCamera:
        top, left = bars_of(size)
        moved = self.intrinsics.copy()
        moved[:2, 2] += (left, top)
        return replace(self, intrinsics=moved, size=(max(size), max(size)))

    def of_pictures(self, size: tuple[int, int], name: str) -> RigCamera:
        """The same camera with the intrinsics of pictures that were made smaller or larger.

        Args:
            size: Height and width of the pictures.
            name: The view, for messages.

        Raises:
            MismatchError: When the pictures have another ratio of the sides than the calibrated
                ones, so that they were cut or distorted, or the principal point is outside.
        """
        fitted = self._scaled_to(size, name)
        x, y = fitted.intrinsics[:2, 2]
        if not (0 <= x < size[1] and 0 <= y < size[0]):
            raise MismatchError(
                f"{name}: the intrinsics have their principal point at ({x:.0f}, {y:.0f}), outside "
                f"the pictures of {size[1]} x {size[0]} pixels. Say of which pictures they are: "
                "size in a rig, image_width and image_height in other files."
            )
        return fitted

    def _scaled_to(self, size: tuple[int, int], name: str) -> RigCamera:
        if self.size is None:
            return replace(self, size=size)
        down, across = size[0] / self.size[0], size[1] / self.size[1]
        if abs(down / across - 1) > _SAME_RATIO:
            raise MismatchError(
                f"{name} has pictures of {size[1]} x {size[0]} pixels, and its calibration is of "
                f"{self.size[1]} x {self.size[0]}: they were cut or distorted since. Give the "
                "pictures as the camera took them or with black bars around them, or correct the "
                "calibration."
            )
        return replace(self, intrinsics=np.diag([across, down, 1.0]) @ self.intrinsics, size=size)

    def project(
        self,
        points: Float[np.ndarray, "points 3"],
        world_to_camera: Float[np.ndarray, "4 4"],
        size: tuple[int, int],
    ) -> tuple[Float[np.ndarray, "points 2"], Bool[np.ndarray, " points"]]:
        """Pixels of world points through the lens, and whether they are inside the picture.

        Args:
            points: World coordinates in metres.
            world_to_camera: The pose now.
            size: Height and width of the picture in pixels.
        """
        camera = Camera(self.intrinsics, world_to_camera, size[1], size[0], self.lens)
        pixels, _ = camera.project(points)
        return pixels, camera.contains(pixels)

    def rays(self, pixels: Float[np.ndarray, "pixels 2"]) -> Float[np.ndarray, "pixels 3"]:
        """Directions in the camera's frame that pixels show; NaN where the lens shows nothing."""
        bent = (pixels - self.intrinsics[:2, 2]) @ np.linalg.inv(self.intrinsics[:2, :2]).T
        return np.concatenate([self.lens.straighten(bent), np.ones((len(pixels), 1))], axis=1)


def episode_cameras(episode: Episode, name: str) -> dict[str, RigCamera]:
    """The cameras that an episode holds.

    Raises:
        MissingDataError: When a view has none.
    """
    if missing := [view for view in episode.images if view not in episode.intrinsics]:
        raise MissingDataError(
            f"{name} has no camera of {', '.join(missing)}. Give one: --cameras rig.json, which "
            "`python -m datasets.calibrate` finds by clicks; or keep other views: --views"
        )
    return {
        view: RigCamera(
            np.asarray(episode.intrinsics[view], np.float64),
            np.asarray(episode.world_to_camera[view], np.float64),
            lens=episode.lens(view),
        )
        for view in episode.images
    }
