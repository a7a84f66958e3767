"""Folders of OpenPose's JSON files, one a frame, with the COCO or the BODY_25 model."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from datasets.clips.base import MAX_FRAMES, Persons
from datasets.clips.files import read_json_file
from datasets.clips.pose_json import to_numbers
from datasets.errors import FormatError, MissingDataError
from datasets.skeletons import COCO18
from datasets.storage.own_files import own_files

_FRAME = re.compile(r".+_(\d{12})_keypoints\.json", re.IGNORECASE)
# Indices of COCO-18's keypoints among BODY_25's, which adds the middle of the hips at 8 and feet.
_BODY_25_TO_COCO = (*range(8), *range(9, 15), *range(15, 19))


def is_frame(path: Path) -> bool:
    """Whether a file is named as OpenPose names a frame's, in upper or lower case."""
    return _FRAME.fullmatch(path.name) is not None


def read_openpose(folder: Path) -> Persons:
    """Reads `NAME_000000000000_keypoints.json` and the following; missing frames have no person.

    Raises:
        DataError: When the folder has no such file, or a file cannot be read.
    """
    files = {}
    for path in own_files(folder.glob("*")):
        if match := _FRAME.fullmatch(path.name):
            files[int(match[1])] = path
    if not files:
        raise MissingDataError(f"{folder} has no files NAME_000000000000_keypoints.json.")
    last = max(files)
    if last >= MAX_FRAMES:
        raise FormatError(f"{files[last]} is a frame beyond {MAX_FRAMES}; rename it.")
    nobody = np.empty((0, len(COCO18), 2))
    return [_read_frame(files[i]) if i in files else nobody for i in range(last + 1)]


def _read_frame(path: Path) -> Float[np.ndarray, "persons keypoints 2"]:
    content = read_json_file(path)
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list):
        raise FormatError(f"{path} has no list `people`; is it OpenPose's?")
    poses = np.empty((len(people), len(COCO18), 2))
    for slot, person in enumerate(people):
        values = person.get("pose_keypoints_2d") if isinstance(person, dict) else None
        if not isinstance(values, list) or len(values) not in (54, 75):
            raise FormatError(
                f"{path}: a person's `pose_keypoints_2d` has neither 54 numbers (COCO) nor 75 "
                "(BODY_25)."
            )
        points = to_numbers(path, values).reshape(-1, 3)
        points[points[:, 2] == 0] = np.nan  # a confidence of 0 means not found
        poses[slot] = points[list(_BODY_25_TO_COCO) if len(values) == 75 else slice(None), :2]
    return poses
