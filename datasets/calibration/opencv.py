"""Calibrations as OpenCV's `FileStorage` writes them, in YAML, JSON or XML.

The names are those of OpenCV's own sample (samples/cpp/tutorial_code/calib3d/camera_calibration):
`camera_matrix`, `distortion_coefficients`, `image_width`, `image_height`, `fisheye_model`. `rvec`
and `tvec`, or `R` and `T` or `t`, lead from the world to the camera as in `cv2.solvePnP`. The
sample's `extrinsic_parameters` are of its chessboards and are not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy  # loads scipy.spatial at its first use, which help texts do not need
from jaxtyping import Float

from datasets.calibration.parts import (
    CameraParts,
    first_of,
    in_our_pixels,
    make_lens,
    numbers,
    picture_size,
    require_known_lens,
    rigid,
    transform,
)
from datasets.errors import DamagedDataError, FormatError, require
from datasets.lens import LensName

# Names under which OpenCV's samples and their many copies store the same thing.
MATRIX = ("camera_matrix", "cameraMatrix", "Camera_Matrix", "mtx", "K")
DISTORTION = (
    "distortion_coefficients",
    "Distortion_Coefficients",
    "distortion_coeffs",
    "dist_coeffs",
    "dist_coeff",
    "distCoeffs",
    "distortion",
    "dist",
    "D",
)
_WIDTH, _HEIGHT = ("image_width", "image_Width"), ("image_height", "image_Height")
# Width and height in one, in the order of cv2.calibrateCamera's imageSize.
_SIZE = ("image_size", "imageSize", "img_size")
# Names of a rotation and of the translation that belongs to it.
_POSES = (("rvec", "tvec"), ("R", "T"), ("R", "t"))
# A stereo calibration stores these; its R and T lead from one camera to the other.
_STEREO = ("R1", "R2")
# A rotation vector in radians is at most half a turn long; a usual one in degrees is longer.
_ONE_TURN = 2 * np.pi


def recognizes(text: str) -> bool:
    """Whether a file was written by OpenCV."""
    return "opencv-matrix" in text or "<opencv_storage" in text


def read(name: str, text: str) -> dict[str, CameraParts]:
    """The camera of a file.

    Raises:
        DamagedDataError: When OpenCV cannot read it.
        FormatError: When a value cannot be.
        MissingLibraryError: When OpenCV is not installed.
    """
    return {"": camera_of(name, _content(name, text))}


def camera_of(name: str, stored: Mapping[str, Any]) -> CameraParts:
    """The camera that OpenCV's names describe.

    Raises:
        FormatError: When a value cannot be, or the lens has a name that is not read.
    """
    matrix = first_of(stored, MATRIX)
    require_known_lens(name, stored, DISTORTION)
    model: LensName = "fisheye" if first_of(stored, ("fisheye_model",), 0) else "plumb_bob"
    intrinsics = None
    if matrix is not None:
        intrinsics = in_our_pixels(name, numbers(name, "camera_matrix", matrix, 3, 3))
    return CameraParts(
        name,
        intrinsics,
        make_lens(name, model, first_of(stored, DISTORTION, ())),
        _picture_size(name, stored),
        _pose(name, stored),
    )


def _content(name: str, text: str) -> dict[str, Any]:
    cv2 = require("cv2", "robosuite")
    storage = cv2.FileStorage()
    try:
        storage.open(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        return {key: _value(storage.getNode(key)) for key in list(storage.root().keys())}
    except cv2.error as error:
        raise DamagedDataError(
            f"{name} cannot be read by OpenCV ({error.err}). Restore it, or write it again with "
            "cv2.FileStorage."
        ) from None
    finally:
        storage.release()


def _value(node: Any) -> Any:
    if node.isMap():
        return node.mat() if not node.getNode("rows").empty() else None
    if node.isSeq():
        return [node.at(i).real() for i in range(node.size())]
    return node.string() if node.isString() else node.real()


def _picture_size(name: str, stored: Mapping[str, Any]) -> tuple[int, int] | None:
    both = first_of(stored, _SIZE)
    if both is not None:
        return picture_size(name, *numbers(name, "the size of its pictures", np.ravel(both), 2))
    return picture_size(name, first_of(stored, _WIDTH), first_of(stored, _HEIGHT))


def _pose(name: str, stored: Mapping[str, Any]) -> Float[np.ndarray, "4 4"] | None:
    stereo = bool(set(_STEREO) & set(stored))
    for turn, shift in _POSES[:1] if stereo else _POSES:
        if turn in stored and shift in stored:
            translation = numbers(name, shift, np.ravel(stored[shift]), 3)
            return rigid(name, transform(_rotation(name, turn, stored[turn]), translation))
    for there, lacking in (_POSES[0], _POSES[0][::-1]):
        if there in stored:
            raise FormatError(
                f"{name} has {there} without {lacking}: a pose needs both. Add {lacking}, or "
                f"remove {there}."
            )
    return None


def _rotation(name: str, key: str, value: Any) -> Float[np.ndarray, "3 3"]:
    if key == "R" and np.size(value) != 3:
        return numbers(name, key, value, 3, 3)
    turn = numbers(name, key, np.ravel(value), 3)
    if (angle := float(np.linalg.norm(turn))) > _ONE_TURN:
        raise FormatError(
            f"{name}: {key} turns by {angle:.1f}, and must be in radians. Convert it."
        )
    return scipy.spatial.transform.Rotation.from_rotvec(turn).as_matrix()
