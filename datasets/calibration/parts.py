"""Parts of one camera's calibration, and how several of them become a camera."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from datasets.calibration.path import CameraPath
from datasets.errors import FormatError, MismatchError, MissingDataError
from datasets.kinematics.rig import RigCamera
from datasets.lens import Lens, LensName
from datasets.storage.meaning import ORTHONORMAL_WITHIN

# OpenCV, ROS and Kalibr put the centre of the first pixel at (0, 0), and we at (0.5, 0.5).
_HALF_PIXEL = 0.5
# OpenCV's longer lists end with the tilt of the sensor and thin prisms, which `Lens` lacks.
_LONGEST = 8


@dataclass(frozen=True, eq=False)
class InChain:
    """Where a camera is among several that were calibrated together.

    Attributes:
        source: The file, which tells chains apart.
        first: Name of the first camera of the chain.
        pose: (4, 4), from the first camera to this one.
    """

    source: str
    first: str
    pose: Float[np.ndarray, "4 4"]


@dataclass(frozen=True, eq=False)
class CameraParts:
    """The parts of a camera that a file gives; others are None.

    Attributes:
        source: The file and the camera in it, for messages.
        intrinsics: (3, 3), in pixels, where the centre of the first pixel is at (0.5, 0.5).
        lens: Its distortion.
        size: Height and width of the pictures for which the intrinsics are.
        pose: (4, 4), world to camera, or from the frame of `link`.
        link: Link that carries the camera; empty for one that stands in the world.
        in_chain: Where it is among cameras that were calibrated together.
        path: How it moves through the world, in place of a pose.
    """

    source: str
    intrinsics: Float[np.ndarray, "3 3"] | None = None
    lens: Lens = field(default_factory=Lens)
    size: tuple[int, int] | None = None
    pose: Float[np.ndarray, "4 4"] | None = None
    link: str = ""
    in_chain: InChain | None = None
    path: CameraPath | None = None

    def joined(self, other: CameraParts) -> CameraParts:
        """One camera of two files, of which one says what the other one does not.

        Raises:
            MismatchError: When both have intrinsics, or both have a pose or a path.
        """
        for name, both in (
            ("intrinsics", self.intrinsics is not None and other.intrinsics is not None),
            ("pose", self._is_placed and other._is_placed),
        ):
            if both:
                raise MismatchError(
                    f"{self.source} and {other.source} both give the {name} of one view. "
                    "Leave one of them out of --cameras."
                )
        seen = self if self.intrinsics is not None else other
        placed = self if self._is_placed else other
        return replace(
            seen,
            source=f"{self.source} and {other.source}",
            pose=placed.pose,
            path=placed.path,
            link=placed.link,
            in_chain=self.in_chain or other.in_chain,
        )

    @property
    def _is_placed(self) -> bool:
        return self.pose is not None or self.path is not None

    def at(self, seconds: float) -> CameraParts:
        """The camera where it is at a time since the start of an episode.

        Raises:
            MismatchError: When its path does not reach that far.
        """
        return self if self.path is None else replace(self, pose=self.path.at(seconds), path=None)

    def camera(self, view: str) -> RigCamera:
        """The whole camera.

        Raises:
            MissingDataError: When the intrinsics or the pose are missing; names the remedy.
            MismatchError: When it moves on a path.
        """
        if self.path is not None:
            raise MismatchError(
                f"{self.source} moves on a path, which sims.generate --cameras and sims.replay "
                f"--camera alone take. Recordings hold the poses of a moving camera: leave {view} "
                "out of --cameras, and write them by datasets.write_episode."
            )
        if self.intrinsics is None:
            raise MissingDataError(
                f"{self.source} has no intrinsics. Give a file that has them as well: "
                f"--cameras {view}=camera_info.yaml; or estimate the focal length: "
                "python -m datasets.calibrate … --focal"
            )
        if self.pose is None and self.in_chain is not None:
            raise MissingDataError(
                f"{self.source} says where the camera is relative to {self.in_chain.first} of "
                f"{self.in_chain.source} alone. Give the pose of one camera of the chain as well, "
                f"such as --cameras {view}=POSE.json, from which the others follow; or find it by "
                "clicks: python -m datasets.calibrate."
            )
        if self.pose is None:
            raise MissingDataError(
                f"{self.source} does not say where the camera is. Find its pose by clicks: "
                "python -m datasets.calibrate; or give a file that has it as well."
            )
        return RigCamera(self.intrinsics, self.pose, self.link, self.lens, self.size)


def first_of(stored: Mapping[str, Any], names: Sequence[str], missing: Any = None) -> Any:
    """The first value, of those that a file may store under several names, that is there."""
    return next((stored[name] for name in names if stored.get(name) is not None), missing)


def numbers(name: str, key: str, value: Any, *shape: int) -> np.ndarray:
    """An array of finite numbers.

    Args:
        name: The file and camera, for messages.
        key: What the numbers are.
        value: Nested lists.
        shape: The shape that it must have.

    Raises:
        FormatError: When the value is something else.
    """
    try:
        found = np.array(value, np.float64)
    except (TypeError, ValueError):
        found = np.zeros(0)
    if found.shape != shape or not np.isfinite(found).all():
        lists = f"{shape[0]} lists of {shape[1]}" if len(shape) == 2 else f"a list of {shape[0]}"
        raise FormatError(f"{name}: {key} must be {lists} numbers. Correct it.")
    return found


def require_known_lens(name: str, stored: Mapping[str, Any], known: Sequence[str]) -> None:
    """Checks that no lens is left out because its coefficients have another name.

    Raises:
        FormatError: When there is such a name.
    """
    for key in map(str, stored):
        if "dist" in key.lower() and key not in known:
            raise FormatError(
                f"{name}: {key} is not read. Call the coefficients of the lens {known[0]}, in "
                "OpenCV's order."
            )


def require_focal(name: str, intrinsics: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """The intrinsics, if they are of a camera that was calibrated.

    Raises:
        FormatError: When a focal length is not positive, or the last row is not 0, 0, 1.
    """
    if min(intrinsics[0, 0], intrinsics[1, 1]) <= 0:
        raise FormatError(
            f"{name}: the focal length is {intrinsics[0, 0]:g}, so the camera is not calibrated. "
            "Calibrate it, or leave the file out and estimate: python -m datasets.calibrate … "
            "--focal"
        )
    if not np.allclose(intrinsics[2], [0, 0, 1]):
        raise FormatError(
            f"{name}: the last row of the intrinsics must be 0, 0, 1, got "
            f"{', '.join(f'{number:g}' for number in intrinsics[2])}. Write the matrix row by row."
        )
    return intrinsics


def in_our_pixels(name: str, intrinsics: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """Intrinsics of OpenCV, ROS or Kalibr in our pixels; errors as of `require_focal`."""
    moved = require_focal(name, intrinsics).copy()
    moved[:2, 2] += _HALF_PIXEL
    return moved


def rigid(name: str, pose: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "4 4"]:
    """The pose, if it is a rotation and a translation.

    Raises:
        FormatError: When it is not.
    """
    rotation = pose[:3, :3]
    off, last = np.abs(rotation @ rotation.T - np.eye(3)).max(), np.allclose(pose[3], [0, 0, 0, 1])
    if off > ORTHONORMAL_WITHIN or np.linalg.det(rotation) < 0 or not last:
        raise FormatError(
            f"{name}: pose is no rotation and translation with the last row 0, 0, 0, 1. Write the "
            "matrix row by row."
        )
    return pose


def transform(
    rotation: Float[np.ndarray, "3 3"], translation: Float[np.ndarray, 3]
) -> Float[np.ndarray, "4 4"]:
    """A rotation and a translation as one matrix."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, translation
    return matrix


def make_lens(name: str, model: LensName, coefficients: Any) -> Lens:
    """The lens of a model and its coefficients in OpenCV's order, in lists of any depth.

    Raises:
        FormatError: When they are no numbers, or the model does not have so many.
    """
    try:
        values = [float(number) for number in np.ravel(coefficients)]
    except (TypeError, ValueError):
        values = [math.nan]
    if not all(map(math.isfinite, values)):
        raise FormatError(f"{name}: distortion must be a list of numbers. Correct it.")
    while len(values) > _LONGEST and values[-1] == 0:
        values.pop()
    try:
        return Lens(model, tuple(values))
    except FormatError as error:
        raise FormatError(f"{name}: {error}") from None


def picture_size(name: str, width: Any, height: Any) -> tuple[int, int] | None:
    """Height and width of a camera's pictures; None where the file does not say them.

    Raises:
        FormatError: When they are no positive whole numbers.
    """
    if width is None or height is None or (width, height) == (0, 0):
        return None
    sides = numbers(name, "the size of its pictures", [height, width], 2)
    if (sides < 1).any() or (sides != sides.round()).any():
        raise FormatError(f"{name}: pictures of {width} x {height} pixels cannot be. Correct it.")
    return int(sides[0]), int(sides[1])
