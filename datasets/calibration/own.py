"""The rig of this project as JSON: view to intrinsics, pose, and what else is known.

    {"front": {"intrinsics": [[…], […], […]], "pose": [[…], […], […], […]],
               "lens": "plumb_bob", "distortion": [k1, k2, p1, p2, k3], "size": [640, 480]},
     "wrist": {"intrinsics": …, "pose": …, "link": "hand"},
     "crane": {"intrinsics": …, "path": [{"time": 0, "pose": …}, {"time": 2.5, "pose": …}]}}

`pose` is from the world, or from the frame of `link`, to the camera. `path` holds such poses in the
world at times in seconds since an episode's start, for cameras that simulators move. `size` is the
width and height of the pictures for which the intrinsics are; without it, they are for the
recordings' own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from datasets.calibration.parts import (
    CameraParts,
    make_lens,
    numbers,
    picture_size,
    require_focal,
    rigid,
)
from datasets.calibration.path import CameraPath
from datasets.errors import FormatError, require_known
from datasets.kinematics.rig import RigCamera
from datasets.lens import LENSES, LensName
from datasets.storage.atomic import atomic_path

_KEYS = ("intrinsics", "pose", "path", "link", "lens", "distortion", "size")
_PATH_KEYS = ("time", "pose")


def recognizes(stored: Any) -> bool:
    """Whether the content of a file is a rig."""
    return (
        isinstance(stored, dict)
        and bool(stored)
        and all(isinstance(parts, dict) for parts in stored.values())
        and any({"intrinsics", "pose", "path"} & set(parts) for parts in stored.values())
    )


def read(name: str, stored: Any) -> dict[str, CameraParts]:
    """The cameras of a rig.

    Raises:
        FormatError: When a camera cannot be.
    """
    return {str(view): _camera(f"{name}: {view}", parts) for view, parts in stored.items()}


def write_rig(path: Path, cameras: Mapping[str, RigCamera]) -> None:
    """Writes cameras that stand still.

    Raises:
        OSError: When the file cannot be written.
    """
    rig = {view: _stored(camera) for view, camera in cameras.items()}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(rig, indent=1) + "\n")


def _stored(camera: RigCamera) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "intrinsics": camera.intrinsics.tolist(),
        "pose": camera.pose.tolist(),
        "lens": camera.lens.name,
        "distortion": list(camera.lens.coefficients),
    }
    if camera.size is not None:
        parts["size"] = [camera.size[1], camera.size[0]]
    return parts | ({"link": camera.link} if camera.link else {})


def _require_positive(name: str, size: np.ndarray) -> None:
    """Raises a FormatError when a side is not positive; 0 means unknown in no rig."""
    if (size <= 0).any():
        raise FormatError(f"{name}: size must be two numbers above 0. Correct it, or leave it out.")


def _camera(name: str, parts: Mapping[str, Any]) -> CameraParts:
    for key in parts:
        require_known(f"entry of {name}", str(key), _KEYS, FormatError)
    model: LensName = parts.get("lens", "plumb_bob")
    require_known(f"lens of {name}", str(model), LENSES, FormatError)
    intrinsics = pose = None
    if "intrinsics" in parts:
        intrinsics = require_focal(name, numbers(name, "intrinsics", parts["intrinsics"], 3, 3))
    if "pose" in parts:
        pose = rigid(name, numbers(name, "pose", parts["pose"], 4, 4))
    if "path" in parts and {"pose", "link"} & set(parts):
        raise FormatError(f"{name} has a path, which is in the world: leave out pose and link.")
    size = parts.get("size", (None, None))
    if "size" in parts:
        _require_positive(name, numbers(name, "size", size, 2))
    return CameraParts(
        name,
        intrinsics,
        make_lens(name, model, parts.get("distortion", ())),
        picture_size(name, *size),
        pose,
        str(parts.get("link", "")),
        path=_path(name, parts["path"]) if "path" in parts else None,
    )


def _path(name: str, stored: Any) -> CameraPath:
    whole = isinstance(stored, list) and all(
        isinstance(step, dict) and set(step) == set(_PATH_KEYS) for step in stored
    )
    if not whole or len(stored) < 2:
        raise FormatError(
            f'{name}: path must be a list of two or more {{"time": seconds, "pose": 4 x 4}}. A '
            "camera that stands still has a pose alone."
        )
    times = numbers(name, "the times of path", [step["time"] for step in stored], len(stored))
    if not (np.diff(times) > 0).all():
        late = int((np.diff(times) <= 0).argmax())
        raise FormatError(
            f"{name}: the times of path must increase, but {times[late + 1]:g} s follows "
            f"{times[late]:g} s. Sort its poses, and give each time once."
        )
    places = [f"{name}: path at {time:g} s" for time in times]
    poses = [
        rigid(place, numbers(place, "pose", step["pose"], 4, 4))
        for place, step in zip(places, stored, strict=True)
    ]
    return CameraPath(name, times, np.stack(poses))
