"""Kalibr's camera chain as YAML (github.com/ethz-asl/kalibr, wiki, "YAML formats").

`T_cn_cnm1` leads from one camera of the chain to the next, and `T_cam_imu` from an IMU to a camera.
Neither leads from the world, so a chain gives the pose of each camera relative to its first one;
`datasets.calibration.chains` places all of them by the pose of any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from datasets.calibration.parts import (
    CameraParts,
    InChain,
    in_our_pixels,
    make_lens,
    numbers,
    picture_size,
    rigid,
)
from datasets.errors import FormatError, require_known
from datasets.lens import LensName

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
    cameras = {str(camera): parts for camera, parts in stored.items() if isinstance(parts, dict)}
    poses = _from_first(name, cameras)
    return {
        camera: replace(_camera(f"{name}: {camera}", parts), in_chain=poses.get(camera))
        for camera, parts in cameras.items()
    }


def _from_first(name: str, cameras: Mapping[str, Mapping[str, Any]]) -> dict[str, InChain]:
    """The pose of each camera relative to the first, as far as the chain goes without a gap."""
    order = sorted(cameras, key=lambda camera: (len(camera), camera))
    found: dict[str, InChain] = {}
    pose = np.eye(4)
    for before, camera in zip([None, *order], order, strict=False):
        if before is not None:
            step = _step(name, cameras, before, camera)
            if step is None:
                break
            pose = step @ pose
        found[camera] = InChain(name, order[0], pose)
    return found


def _step(
    name: str, cameras: Mapping[str, Mapping[str, Any]], before: str, camera: str
) -> Float[np.ndarray, "4 4"] | None:
    """From a camera to the next one of the chain: as stored, or by way of the IMU."""
    if "T_cn_cnm1" in cameras[camera]:
        return _transform(name, cameras, camera, "T_cn_cnm1")
    if all("T_cam_imu" in cameras[one] for one in (before, camera)):
        first, second = (_transform(name, cameras, one, "T_cam_imu") for one in (before, camera))
        return second @ np.linalg.inv(first)
    return None


def _transform(
    name: str, cameras: Mapping[str, Mapping[str, Any]], camera: str, key: str
) -> Float[np.ndarray, "4 4"]:
    where = f"{name}: {camera}: {key}"
    return rigid(where, numbers(f"{name}: {camera}", key, cameras[camera][key], 4, 4))


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
