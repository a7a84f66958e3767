"""Kalibr's camera chain as YAML (github.com/ethz-asl/kalibr, wiki, "YAML formats").

`T_cn_cnm1` leads from one camera of the chain to the next, and `T_cam_imu` from an IMU; neither
leads from the robot, so the chain gives no poses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from datasets.calibration.parts import (
    CameraParts,
    in_our_pixels,
    make_lens,
    numbers,
    picture_size,
)
from datasets.errors import FormatError, require_known
from datasets.kinematics.lens import LensName

_LENSES: dict[str, LensName] = {
    "radtan": "plumb_bob",
    "none": "plumb_bob",
    "equidistant": "fisheye",
}


def recognizes(stored: Any) -> bool:
    """Whether the content of a file is a camera chain."""
    return isinstance(stored, dict) and any(
        isinstance(parts, dict) and "camera_model" in parts for parts in stored.values()
    )


def read(name: str, stored: Mapping[str, Any]) -> dict[str, CameraParts]:
    """The cameras of a chain, `cam0`, `cam1`, ….

    Raises:
        FormatError: When a value cannot be, or a camera has another model than a pinhole.
    """
    return {
        str(camera): _camera(f"{name}: {camera}", parts)
        for camera, parts in stored.items()
        if isinstance(parts, dict)
    }


def _camera(name: str, parts: Mapping[str, Any]) -> CameraParts:
    if parts.get("camera_model") != "pinhole":
        raise FormatError(
            f"{name} has the camera_model {parts.get('camera_model')!r}, and only pinhole can be "
            "read. Calibrate again with --models pinhole-radtan or pinhole-equi."
        )
    model = str(parts.get("distortion_model", "none"))
    require_known(f"distortion_model of {name}", model, _LENSES, FormatError)
    fx, fy, cx, cy = numbers(name, "intrinsics", parts.get("intrinsics"), 4)
    size = parts.get("resolution") or (None, None)
    if "resolution" in parts:
        numbers(name, "resolution", size, 2)
    return CameraParts(
        name,
        in_our_pixels(name, np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])),
        make_lens(name, _LENSES[model], parts.get("distortion_coeffs") or ()),
        picture_size(name, *size),
    )
