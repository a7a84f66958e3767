"""Calibrations as Python programs write what OpenCV found: plain YAML or JSON of nested lists.

The names are those of `datasets.calibration.opencv`. OpenCV's own tutorial in Python calls the
matrix `mtx` and the coefficients `dist`. ROS's camera_info, which is read elsewhere, shares the
names of the matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from datasets.calibration.opencv import DISTORTION, MATRIX, camera_of
from datasets.calibration.parts import CameraParts

# Names that no camera_info has.
_ALONE = {"rvec", "tvec", "T", "t", *MATRIX, *DISTORTION} - {
    *("camera_matrix", "K", "distortion_coefficients", "D")
}


def recognizes(stored: Any) -> bool:
    """Whether the content of a file is such a calibration."""
    return (
        isinstance(stored, dict)
        and any(name in stored for name in MATRIX)
        and any(name in stored for name in _ALONE)
        and "distortion_model" not in stored
    )


def read(name: str, stored: Mapping[str, Any]) -> dict[str, CameraParts]:
    """The camera of a file; errors as of `opencv.camera_of`."""
    return {"": camera_of(name, {key: _matrix(value) for key, value in stored.items()})}


def _matrix(value: Any) -> Any:
    """A value, where nine numbers in one list are a matrix row by row."""
    value = value.get("data") if isinstance(value, Mapping) else value
    flat = isinstance(value, list) and len(value) == 9
    return np.reshape(np.array(value, object), (3, 3)).tolist() if flat else value
