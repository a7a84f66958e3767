"""ROS's `camera_info`: the YAML of camera_calibration, or a printed message of ROS 1 or ROS 2.

Both are of the raw picture (`K` and `D`), not of the rectified one (`P`). A message does not say
where the camera is. See sensor_msgs/CameraInfo and camera_calibration_parsers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datasets.calibration.parts import (
    CameraParts,
    first_of,
    in_our_pixels,
    make_lens,
    numbers,
    picture_size,
    require_known_lens,
)
from datasets.errors import FormatError, require_known
from datasets.lens import LensName

# ROS's names of lenses; rational_polynomial has the denominator's k4, k5 and k6 as well.
_LENSES: dict[str, LensName] = {
    "plumb_bob": "plumb_bob",
    "rational_polynomial": "plumb_bob",
    "equidistant": "fisheye",
    "fisheye": "fisheye",
}
_MATRIX = ("camera_matrix", "K", "k")
_DISTORTION = ("distortion_coefficients", "D", "d")


def recognizes(stored: Any) -> bool:
    """Whether the content of a file is a camera_info."""
    return isinstance(stored, dict) and any(name in stored for name in _MATRIX)


def read(name: str, stored: Mapping[str, Any]) -> dict[str, CameraParts]:
    """The camera of a file.

    Raises:
        FormatError: When a value cannot be, or the camera was never calibrated.
    """
    flat = _data(first_of(stored, _MATRIX))
    rows = (3, 3) if isinstance(flat, list) and len(flat) == 3 else (9,)
    matrix = numbers(name, "camera_matrix", flat, *rows).reshape(3, 3)
    model = str(stored.get("distortion_model") or "plumb_bob")
    require_known(f"distortion_model of {name}", model, _LENSES, FormatError)
    require_known_lens(name, stored, (*_DISTORTION, "distortion_model"))
    width, height = (stored.get(f"image_{key}", stored.get(key)) for key in ("width", "height"))
    return {
        "": CameraParts(
            name,
            in_our_pixels(name, matrix),
            make_lens(name, _LENSES[model], _data(first_of(stored, _DISTORTION)) or ()),
            picture_size(name, width, height),
        )
    }


def _data(matrix: Any) -> Any:
    return matrix.get("data") if isinstance(matrix, Mapping) else matrix
