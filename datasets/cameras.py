"""Cameras in the OpenCV convention: x right, y down, z forward, pixel = K lens(R world + t)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from datasets.lens import Lens


def optical_axes(world_to_camera: Float[np.ndarray, "poses 4 4"]) -> Float[np.ndarray, "poses 3"]:
    """The unit vectors along which cameras look, in world coordinates."""
    return world_to_camera[:, 2, :3]


# Arrays have no single truth value, so comparing two cameras field by field would raise.
@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera, or one whose lens distorts.

    Pixels are continuous coordinates, x right and y down: the image spans [0, width) x [0, height)
    and the centre of its first pixel is (0.5, 0.5), so `floor(x)` is the column that holds x.

    Attributes:
        intrinsics: (3, 3), in pixels.
        world_to_camera: (4, 4) rigid transform from world to camera, in metres.
        width: Image width in pixels.
        height: Image height in pixels.
        lens: Its distortion; none by default.
    """

    intrinsics: Float[np.ndarray, "3 3"]
    world_to_camera: Float[np.ndarray, "4 4"]
    width: int
    height: int
    lens: Lens = field(default_factory=Lens)

    def __post_init__(self) -> None:
        """Checks shapes here, so that an error points to the place that made the camera."""
        for name, shape in (("intrinsics", (3, 3)), ("world_to_camera", (4, 4))):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            if value.shape != shape:
                raise ValueError(f"Camera.{name} must have shape {shape}, got {value.shape}.")
            object.__setattr__(self, name, value)

    @property
    def position(self) -> Float[np.ndarray, 3]:
        """The camera's centre in world coordinates, in metres."""
        rotation, translation = self.world_to_camera[:3, :3], self.world_to_camera[:3, 3]
        return -rotation.T @ translation

    def project(
        self, points: Float[np.ndarray, "*batch 3"]
    ) -> tuple[Float[np.ndarray, "*batch 2"], Float[np.ndarray, "*batch"]]:
        """Projects world points.

        Args:
            points: World coordinates in metres.

        Returns:
            Pixels, NaN where the point is not in front of the camera or beyond what its lens can
            show, and the depth along the optical axis in metres.
        """
        camera_points = points @ self.world_to_camera[:3, :3].T + self.world_to_camera[:3, 3]
        depth = camera_points[..., 2]
        in_front = np.where(depth > 0, depth, np.nan)[..., None]
        if self.lens.is_straight:
            return (camera_points @ self.intrinsics.T)[..., :2] / in_front, depth
        bent = self.lens.bend(camera_points[..., :2] / in_front)
        return bent @ self.intrinsics[:2, :2].T + self.intrinsics[:2, 2], depth

    def contains(self, pixels: Float[np.ndarray, "*batch 2"]) -> Bool[np.ndarray, "*batch"]:
        """Whether each pixel lies inside the image; NaN counts as outside."""
        x, y = pixels[..., 0], pixels[..., 1]
        return (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)

    @classmethod
    def from_fovy(
        cls, fovy_degrees: float, width: int, height: int, world_to_camera: np.ndarray
    ) -> Camera:
        """Makes a camera with square pixels from its vertical field of view in degrees."""
        if not 0 < fovy_degrees < 180:
            raise ValueError(f"fovy_degrees must lie between 0 and 180, got {fovy_degrees}.")
        focal = height / 2 / np.tan(np.radians(fovy_degrees) / 2)
        # Pixel edges lie at whole numbers, so the middle of the image is at width / 2 exactly.
        intrinsics = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
        return cls(intrinsics, world_to_camera, width, height)

    @classmethod
    def look_at(
        cls,
        position: np.ndarray,
        target: np.ndarray,
        up: np.ndarray,
        fovy_degrees: float,
        width: int,
        height: int,
    ) -> Camera:
        """Makes a camera at `position` that looks at `target`, both in world metres.

        Raises:
            ValueError: When the line of sight is parallel to `up`, so that the roll is undefined.
        """
        forward = np.asarray(target, float) - np.asarray(position, float)
        right = np.cross(forward, up)
        # The cross product's length is proportional to the sine of the angle between the two.
        if np.linalg.norm(right) <= 1e-9 * np.linalg.norm(forward):
            raise ValueError("look_at needs a line of sight that is not parallel to `up`.")
        forward /= np.linalg.norm(forward)
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        world_to_camera = np.eye(4)
        world_to_camera[:3, :3] = rotation
        world_to_camera[:3, 3] = -rotation @ position
        return cls.from_fovy(fovy_degrees, width, height, world_to_camera)
