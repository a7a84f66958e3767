"""Calibrations as OpenCV's `FileStorage` writes them, in YAML, JSON or XML.

The names are those of OpenCV's own sample (samples/cpp/tutorial_code/calib3d/camera_calibration):
`camera_matrix`, `distortion_coefficients`, `image_width`, `image_height`, `fisheye_model`. `rvec`
and `tvec`, or `R` and `T`, lead from the world to the camera as in `cv2.solvePnP`. The sample's
`extrinsic_parameters` are of its chessboards and are not read.
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
from datasets.errors import DamagedDataError, require
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
# A stereo calibration stores these; its R and T lead from one camera to the other.
_STEREO = ("R1", "R2")


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
    matrix, size = first_of(stored, MATRIX), (first_of(stored, _WIDTH), first_of(stored, _HEIGHT))
    require_known_lens(name, stored, DISTORTION)
    model: LensName = "fisheye" if first_of(stored, ("fisheye_model",), 0) else "plumb_bob"
    intrinsics = None
    if matrix is not None:
        intrinsics = in_our_pixels(name, numbers(name, "camera_matrix", matrix, 3, 3))
    return CameraParts(
        name,
        intrinsics,
        make_lens(name, model, first_of(stored, DISTORTION, ())),
        picture_size(name, *size),
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


def _pose(name: str, stored: Mapping[str, Any]) -> Float[np.ndarray, "4 4"] | None:
    if "rvec" in stored and "tvec" in stored:
        turn = numbers(name, "rvec", np.ravel(stored["rvec"]), 3)
        rotation = scipy.spatial.transform.Rotation.from_rotvec(turn).as_matrix()
        return transform(rotation, numbers(name, "tvec", np.ravel(stored["tvec"]), 3))
    if "R" in stored and "T" in stored and not set(_STEREO) & set(stored):
        rotation = numbers(name, "R", stored["R"], 3, 3)
        return rigid(name, transform(rotation, numbers(name, "T", np.ravel(stored["T"]), 3)))
    return None
