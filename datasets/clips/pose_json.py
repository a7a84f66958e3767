"""Toyota-Smarthome's pose files; poses of other data sets are stored in this format as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from datasets.clips.base import MAX_FRAMES, Bodies, Persons
from datasets.clips.files import read_json_file
from datasets.errors import FormatError, MismatchError, MissingDataError
from datasets.storage.atomic import atomic_path

_SPACE = "pose3d"


def read_pose_json(path: Path, joints: int) -> Persons:
    """Reads `{"njts": K, "frames": [[{"pose2d": [x…, y…]}, …], …]}`.

    Raises:
        DataError: When the file is not valid; names it and the frame.
    """
    return _read_poses(path, joints, "pose2d", 2)


def read_body_json(path: Path, joints: int) -> Bodies:
    """Reads the numbers of `pose3d`, [x…, y…, z…], in the same file.

    Raises:
        DataError: When the file is not valid, or a person has no such numbers.
    """
    return _read_poses(path, joints, _SPACE, 3)


def _read_poses(
    path: Path, joints: int, key: str, axes: int
) -> list[Float[np.ndarray, "persons keypoints axes"]]:
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
    return [
        _read_frame(f"{path}, frame {i}", path, frame, (axes, joints), key)
        for i, frame in enumerate(frames)
    ]


def _read_frame(
    place: str, path: Path, persons: Any, shape: tuple[int, int], key: str
) -> Float[np.ndarray, "persons keypoints axes"]:
    if not isinstance(persons, list):
        raise FormatError(f"{place}: its persons are no list.")
    poses, count = np.empty((len(persons), *shape)), shape[0] * shape[1]
    for slot, person in enumerate(persons):
        if isinstance(person, dict) and key == _SPACE and key not in person:
            raise MissingDataError(f"{place}: a person has no `{key}`, joints in space.")
        pose = person.get(key) if isinstance(person, dict) else None
        if not isinstance(pose, list) or len(pose) != count:
            raise FormatError(f"{place}: a person has no {count} `{key}` numbers.")
        poses[slot] = to_numbers(path, pose).reshape(shape)
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


def write_pose_json(
    path: Path,
    keypoints: Float[np.ndarray, "time *persons keypoints 2"],
    joints: Float[np.ndarray, "time *persons keypoints 3"] | None = None,
) -> None:
    """Writes poses; a missing point becomes zeros, and a person without any point is left out.

    Args:
        path: The file.
        keypoints: Keypoints of one person or several, NaN where missing.
        joints: The same persons' in space.
    """
    pixels = np.asarray(keypoints, np.float64)
    count = pixels.shape[-2]
    poses = {"pose2d": pixels.reshape(len(pixels), -1, count, 2)}
    if joints is not None:
        poses[_SPACE] = np.asarray(joints, np.float64).reshape(len(pixels), -1, count, 3)
    frames = []
    for t in range(len(pixels)):
        persons = range(poses["pose2d"].shape[1])
        known = [p for p in persons if any(np.isfinite(x[t, p]).any() for x in poses.values())]
        frames.append([{key: _values(x[t, p]) for key, x in poses.items()} for p in known])
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({"njts": count, "frames": frames}))


def _values(points: Float[np.ndarray, "keypoints axes"]) -> list[float]:
    """All x, then all y, then all z."""
    known = np.isfinite(points).all(axis=1)
    values = np.where(known[:, None], points, 0).T.reshape(-1)
    return [round(float(value), 3) for value in values]
