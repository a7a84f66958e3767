"""DROID's poses of cameras as JSON: x y z in metres, and three angles in radians.

They lead from the camera to the robot's base, whose frame is the world here. The angles are Euler's
about the fixed axes x, y and z, in this order, and no rotation vector: DROID writes them by scipy's
`as_euler("xyz")` (droid/calibration/calibration_utils.py). There are two layouts:

    {"24259877_left": {"pose": [x, y, z, a, b, c], "timestamp": …}}    calibration_info.json
    {"24259877": [x, y, z, a, b, c]}       one episode of cam2base_extrinsics.json
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy  # loads scipy.spatial at its first use, which help texts do not need

from datasets.calibration.parts import CameraParts, numbers, transform
from datasets.errors import FormatError

# An angle in radians stays below it; a usual one in degrees does not.
_ONE_TURN = 2 * np.pi


def recognizes(stored: Any) -> bool:
    """Whether the content of a file is poses of DROID."""
    return isinstance(stored, dict) and any(_six(value) for value in stored.values())


def read(name: str, stored: Mapping[str, Any]) -> dict[str, CameraParts]:
    """The poses of a file; entries that are no poses, such as the path of an episode, are left out.

    Raises:
        FormatError: When a number is not finite, or an angle is in degrees.
    """
    found = {}
    for camera, value in stored.items():
        if _six(value):
            where = f"{name}: {camera}"
            six = numbers(where, "pose", _pose(value), 6)
            if np.abs(six[3:]).max() > _ONE_TURN:
                raise FormatError(
                    f"{where}: its angles reach {np.abs(six[3:]).max():.1f}, and must be in "
                    "radians. Convert them."
                )
            rotation = scipy.spatial.transform.Rotation.from_euler("xyz", six[3:]).as_matrix()
            world_to_camera = np.linalg.inv(transform(rotation, six[:3]))
            found[str(camera)] = CameraParts(where, pose=world_to_camera)
    return found


def _pose(value: Any) -> Any:
    return value.get("pose") if isinstance(value, Mapping) else value


def _six(value: Any) -> bool:
    pose = _pose(value)
    numeric = isinstance(pose, list) and all(isinstance(x, int | float) for x in pose)
    return numeric and len(pose) == 6
