"""Poses of one person beside the videos of episodes, as `datasets.extract_poses` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from datasets.clips.own import POSE_SUFFIX, POSES_FOLDER
from datasets.clips.pose_json import read_pose_json
from datasets.errors import MismatchError, MissingDataError, counted
from datasets.skeletons import COCO18
from datasets.video import video_shape

_AGAIN = "Remove it, and run python -m datasets.extract_poses again."


def find_video_poses(
    root: Path, episodes: Mapping[str, Mapping[str, Path]]
) -> dict[str, dict[str, Path]]:
    """Episode to view to its file of poses; empty where there is no folder of poses.

    Args:
        root: The folder of the videos.
        episodes: Episode to view to its video.

    Raises:
        MissingDataError: When the folder lacks the poses of a video.
    """
    folder = root / POSES_FOLDER
    if not folder.is_dir():
        return {}
    found = {
        name: {
            view: (folder / video.relative_to(root)).with_name(video.stem + POSE_SUFFIX)
            for view, video in views.items()
        }
        for name, views in episodes.items()
    }
    files = [file for views in found.values() for file in views.values()]
    if lacking := [file for file in files if not file.is_file()]:
        raise MissingDataError(
            f"{lacking[0]} does not exist, and {folder} needs the poses of every video. Run "
            f"python -m datasets.extract_poses {root}, or move {folder} elsewhere to read videos "
            "alone."
        )
    return found


def read_video_poses(poses: Path, video: Path) -> Float[np.ndarray, "frames keypoints 2"]:
    """Keypoints of the person in a video, in pixels; NaN where missing.

    Raises:
        DataError: When the file cannot be read, is of a video of another length, or a frame has
            several persons, of which views would not say who is who.
    """
    frames, length = read_pose_json(poses, len(COCO18)), video_shape(video).frames
    if len(frames) != length:
        raise MismatchError(
            f"{poses} has poses of {counted(len(frames), 'frame')}, its video has {length}. "
            f"{_AGAIN}"
        )
    points = np.full((length, len(COCO18), 2), np.nan, np.float32)
    for time, persons in enumerate(frames):
        if len(persons) > 1:
            raise MismatchError(
                f"{poses} has {len(persons)} persons in frame {time}; the keypoints of an episode "
                "are those of one. Leave the others out of the file."
            )
        if len(persons):
            points[time] = persons[0]
    points[(points == 0).all(-1)] = np.nan  # as the file writes what is missing
    return points
