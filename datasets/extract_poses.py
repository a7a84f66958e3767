"""Finds 2D keypoints in videos that come without, as Northwestern-UCLA's do.

Examples:
    python -m datasets.extract_poses NUCLA
    python -m datasets.extract_poses videos --out poses --workers 8

Each video gets a JSON file in Toyota-Smarthome's form, with OpenPose's 18 COCO keypoints, in the
same folders below --out; the readers of `datasets.clips` find it there. It works offline, with the
models that come with mediapipe, can be stopped at any time, and goes on where it stopped.

Of several persons one is kept: mediapipe's detector takes the one it is surest of, follows them
from frame to frame, and looks again only once it has lost them.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from jaxtyping import Float
from joblib import Parallel, delayed
from tqdm import tqdm

from datasets.clips.pose_json import write_pose_json
from datasets.errors import DataError
from datasets.skeletons import COCO18
from datasets.storage.atomic import remove_leftovers
from datasets.video import check_video, iterate_frames

VIDEO_SUFFIXES = (".avi", ".mp4", ".mkv", ".mov", ".webm")
POSE_SUFFIX = "_skeleton2d.json"
SHOWN_PROBLEMS = 10
# Where mediapipe's Pose has each keypoint among its 33; the neck is between the shoulders.
_LANDMARKS = {
    "nose": 0,
    "left_eye": 2,
    "right_eye": 5,
    "left_ear": 7,
    "right_ear": 8,
    **{
        f"{side}_{part}": first + offset
        for part, first in (
            *(("shoulder", 11), ("elbow", 13), ("wrist", 15)),
            *(("hip", 23), ("knee", 25), ("ankle", 27)),
        )
        for offset, side in enumerate(("left", "right"))
    },
}


@dataclass(frozen=True)
class ExtractConfig:
    """Find 2D keypoints in videos.

    Attributes:
        videos: Folder of videos, in any folders below, or one video.
        out: Folder of the JSON files; `poses` in the folder of the videos by default.
        visibility: Keypoints that the model thinks less likely to be visible are missing.
        workers: Processes; as many as the machine has cores by default.
    """

    videos: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="VIDEOS")]]
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")] = None
    visibility: float = 0.5
    workers: int = os.cpu_count() or 1


def find_videos(folder: Path) -> dict[Path, Path]:
    """Every video below a folder, or the one video itself: its path from there to the file.

    Raises:
        DataError: When there is none.
    """
    if folder.is_file():
        return {Path(folder.name): folder}
    videos = {
        path.relative_to(folder): path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")
    }
    if not videos:
        raise DataError(f"{folder} holds no videos ({', '.join(VIDEO_SUFFIXES)}).")
    return videos


def load_mediapipe() -> Any:
    """The mediapipe package.

    Raises:
        DataError: When it is not installed; the message says how to.
    """
    try:
        return import_module("mediapipe")
    except ImportError as error:
        raise DataError(
            f"pose extraction needs mediapipe ({error}): pip install 'posealign[poses]'"
        ) from error


def to_coco18(
    landmarks: Float[np.ndarray, "33 3"], height: int, width: int, visibility: float
) -> Float[np.ndarray, "18 2"]:
    """OpenPose's 18 keypoints in pixels, NaN where hidden, of mediapipe's 33.

    Args:
        landmarks: x and y as shares of the picture's width and height, and visibility.
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
        visibility: The least visibility of a keypoint that is not missing.
    """
    points = landmarks[:, :2] * (width, height)
    points[landmarks[:, 2] < visibility] = np.nan
    found = {name: points[i] for name, i in _LANDMARKS.items()}
    found["neck"] = (found["left_shoulder"] + found["right_shoulder"]) / 2
    return np.array([found[name] for name in COCO18.keypoints])


def extract(video: Path, out: Path, visibility: float = 0.5) -> DataError | None:
    """Writes the keypoints of one video, unless the file is there.

    Returns:
        What is wrong with the video, if it is not whole or cannot be decoded.
    """
    if out.exists():
        return None
    nobody = np.full((len(COCO18), 2), np.nan)
    keypoints = []
    try:
        # Poses of half a video would pass for all there are.
        check_video(video)
        # The one model that comes with the package; the others it would download.
        with load_mediapipe().solutions.pose.Pose(model_complexity=1) as pose:
            for frame in iterate_frames(video):
                found = pose.process(frame).pose_landmarks
                if found is None:
                    keypoints.append(nobody)
                    continue
                marks = np.array([(mark.x, mark.y, mark.visibility) for mark in found.landmark])
                height, width = frame.shape[:2]
                keypoints.append(to_coco18(marks, height, width, visibility))
    except DataError as error:
        return error
    write_pose_json(out, np.reshape(keypoints, (-1, len(COCO18), 2)))
    return None


def extract_poses(config: ExtractConfig) -> list[DataError]:
    """Extracts the poses of all videos that have none yet.

    Returns:
        What is wrong with videos that are not whole or cannot be decoded.

    Raises:
        DataError: When there are no videos, or mediapipe is missing.
    """
    load_mediapipe()
    videos = find_videos(config.videos)
    out = default_out(config)
    files = {path: out / name.with_name(name.stem + POSE_SUFFIX) for name, path in videos.items()}
    for folder in {file.parent for file in files.values()}:
        remove_leftovers(folder)
    results = Parallel(n_jobs=config.workers, return_as="generator_unordered")(
        delayed(extract)(video, file, config.visibility) for video, file in files.items()
    )
    progress = tqdm(results, "extract poses", len(files), unit="video", disable=None)
    return [problem for problem in progress if problem is not None]


def default_out(config: ExtractConfig) -> Path:
    """Where the poses go."""
    if config.out is not None:
        return config.out
    return (config.videos.parent if config.videos.is_file() else config.videos) / "poses"


def main() -> None:
    """Runs the command line."""
    config = tyro.cli(ExtractConfig, prog="python -m datasets.extract_poses", description=__doc__)
    try:
        problems = extract_poses(config)
    except DataError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here.")
    for problem in problems[:SHOWN_PROBLEMS]:
        print(f"error: {problem}", file=sys.stderr)
    print(f"{default_out(config)} holds the poses")
    if problems:
        sys.exit(f"{len(problems)} videos cannot be used and have no poses.")


if __name__ == "__main__":
    main()
