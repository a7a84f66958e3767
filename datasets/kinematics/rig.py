"""The cameras of a data set: of its episodes or of a JSON file, still, moving or on a link."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float

from datasets.cameras import Camera
from datasets.errors import DamagedDataError, FormatError, MissingDataError, require_known
from datasets.kinematics.lens import LENSES, Lens
from datasets.storage.episode_file import Episode
from datasets.storage.meaning import ORTHONORMAL_WITHIN

Convention = Literal[
    "world-to-camera", "camera-to-world", "world-to-camera-opengl", "camera-to-world-opengl"
]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
# OpenGL and MuJoCo have y up and look along -z; OpenCV has y down and looks along z.
_TURN = np.diag([1.0, -1.0, -1.0, 1.0])
_KEYS = ("intrinsics", "pose", "link", "lens", "distortion")


@dataclass(frozen=True, eq=False)
class RigCamera:
    """A camera and how it is mounted.

    Attributes:
        intrinsics: (3, 3), in pixels.
        pose: World to camera, (4, 4) or (T, 4, 4); from the frame of `link` where there is one.
        link: Link that carries the camera; empty for one that stands in the world.
        lens: Its distortion.
    """

    intrinsics: Float[np.ndarray, "3 3"]
    pose: np.ndarray
    link: str = ""
    lens: Lens = field(default_factory=Lens)

    def at(self, time: int) -> Float[np.ndarray, "4 4"]:
        """The pose at a time step."""
        return self.pose[time] if self.pose.ndim == 3 else self.pose

    def read_as(self, convention: Convention) -> RigCamera:
        """The same camera where its pose was stored in another convention than ours."""
        pose = np.linalg.inv(self.pose) if convention.startswith("camera") else self.pose
        return replace(self, pose=_TURN @ pose if convention.endswith("opengl") else pose)

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
        flat, _ = Camera(np.eye(3), world_to_camera, 1, 1).project(points)
        pixels = self.lens.bend(flat) @ self.intrinsics[:2, :2].T + self.intrinsics[:2, 2]
        camera = Camera(self.intrinsics, world_to_camera, size[1], size[0])
        return pixels, camera.contains(pixels)

    def rays(self, pixels: Float[np.ndarray, "pixels 2"]) -> Float[np.ndarray, "pixels 3"]:
        """Directions in the camera's frame that pixels show."""
        bent = (pixels - self.intrinsics[:2, 2]) @ np.linalg.inv(self.intrinsics[:2, :2]).T
        return np.concatenate([self.lens.straighten(bent), np.ones((len(pixels), 1))], axis=1)


def episode_cameras(episode: Episode, name: str) -> dict[str, RigCamera]:
    """The cameras that an episode holds.

    Raises:
        MissingDataError: When a view has none.
    """
    if missing := [view for view in episode.images if view not in episode.intrinsics]:
        raise MissingDataError(
            f"{name} has no cameras of the views {missing}. Give them: --cameras rig.json"
        )
    return {
        view: RigCamera(
            np.asarray(episode.intrinsics[view], np.float64),
            np.asarray(episode.world_to_camera[view], np.float64),
        )
        for view in episode.images
    }


def read_rig(path: Path) -> dict[str, RigCamera]:
    """Reads cameras from a JSON file: view to `intrinsics`, `pose`, and what else is known.

        {"front": {"intrinsics": [[…], […], […]], "pose": [[…], […], […], […]],
                   "lens": "plumb_bob", "distortion": [k1, k2, p1, p2, k3]},
         "wrist": {"intrinsics": …, "pose": …, "link": "hand"}}

    `pose` is from the world, or from the frame of `link`, to the camera.

    Raises:
        DataError: When the file is missing, no JSON, or holds a camera that cannot be.
    """
    try:
        stored = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise MissingDataError(f"{path} does not exist. Check the path of --cameras.") from None
    except ValueError as error:
        raise DamagedDataError(f"{path} is not valid JSON ({error}). Correct it.") from None
    if not isinstance(stored, dict) or not all(isinstance(v, dict) for v in stored.values()):
        raise FormatError(f"{path} must hold an object of views, each an object with {_KEYS}.")
    return {view: _camera(f"{path}: {view}", parts) for view, parts in stored.items()}


def _camera(name: str, parts: Mapping[str, Any]) -> RigCamera:
    for key in parts:
        require_known(f"entry of {name}", key, _KEYS, FormatError)
    lens = str(parts.get("lens", "plumb_bob"))
    require_known(f"lens of {name}", lens, LENSES, FormatError)
    pose = _matrix(name, parts, "pose", 4)
    rotation = pose[:3, :3]
    if (
        np.abs(rotation @ rotation.T - np.eye(3)).max() > ORTHONORMAL_WITHIN
        or np.linalg.det(rotation) < 0
    ):
        raise FormatError(f"{name}: pose is no rotation and translation. Correct it.")
    try:
        distortion = tuple(float(number) for number in parts.get("distortion", ()))
    except (TypeError, ValueError):
        raise FormatError(f"{name}: distortion must be a list of numbers.") from None
    return RigCamera(
        _matrix(name, parts, "intrinsics", 3),
        pose,
        str(parts.get("link", "")),
        Lens(lens, distortion),  # type: ignore[arg-type]
    )


def _matrix(name: str, parts: Mapping[str, Any], key: str, side: int) -> np.ndarray:
    try:
        matrix = np.array(parts.get(key), np.float64)
    except (TypeError, ValueError):
        matrix = np.zeros(0)
    if matrix.shape != (side, side) or not np.isfinite(matrix).all():
        raise FormatError(f"{name}: {key} must be {side} lists of {side} numbers. Correct it.")
    return matrix
