"""Toyota-Smarthome's pose files; poses of other data sets are stored in this format as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from datasets.clips.base import MAX_FRAMES, Persons
from datasets.clips.files import read_json_file
from datasets.errors import FormatError, MismatchError
from datasets.storage.atomic import atomic_path


def read_pose_json(path: Path, joints: int) -> Persons:
    """Reads `{"njts": K, "frames": [[{"pose2d": [x…, y…]}, …], …]}`.

    Raises:
        DataError: When the file is not valid; names it and the frame.
    """
    content = read_json_file(path)
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list):
        raise FormatError(f"{path} has no list `frames`; is it another kind of file?")
    if content.get("njts", joints) != joints:
        raise MismatchError(
            f"{path} has {content['njts']!r} keypoints a person, but its data set has {joints}."
        )
    if len(frames) > MAX_FRAMES:
        raise FormatError(f"{path} has {len(frames)} frames, more than {MAX_FRAMES}.")
    return [_read_frame(path, i, frame, joints) for i, frame in enumerate(frames)]


def _read_frame(
    path: Path, number: int, persons: Any, joints: int
) -> Float[np.ndarray, "persons keypoints 2"]:
    if not isinstance(persons, list):
        raise FormatError(f"{path}, frame {number}: its persons are no list.")
    poses = np.empty((len(persons), 2, joints))
    for slot, person in enumerate(persons):
        pose = person.get("pose2d") if isinstance(person, dict) else None
        if not isinstance(pose, list) or len(pose) != 2 * joints:
            raise FormatError(
                f"{path}, frame {number}: a person has no {2 * joints} `pose2d` numbers."
            )
        poses[slot] = to_numbers(path, pose).reshape(2, joints)
    return poses.transpose(0, 2, 1)


def to_numbers(path: Path, values: list[Any]) -> Float[np.ndarray, " n"]:
    """Turns a list read from JSON into an array; null becomes NaN.

    Raises:
        DataError: When an entry is not a number.
    """
    for value in values:
        # Not `isinstance`, for which True and False are numbers too.
        if value is not None and type(value) not in (int, float):
            raise FormatError(f"{path} has {str(value)[:30]!r} where a number should be.")
    try:
        return np.array(values, np.float64)
    except OverflowError:
        raise FormatError(f"{path} has a number that is too large for a coordinate.") from None


def write_pose_json(path: Path, keypoints: Float[np.ndarray, "time keypoints 2"]) -> None:
    """Writes one person's keypoints; NaN becomes (0, 0), and a frame of NaN only an empty list."""
    frames = []
    for pose in keypoints:
        known = np.isfinite(pose).all(axis=1)
        values = np.where(known[:, None], pose, 0).T.reshape(-1)
        person = {"pose2d": [round(float(value), 3) for value in values]}
        frames.append([person] if known.any() else [])
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({"njts": np.shape(keypoints)[1], "frames": frames}))
