"""Extract 2D keypoints from videos that have none, such as Northwestern-UCLA's.

Examples:
    python -m datasets.extract_poses NUCLA
    python -m datasets.extract_poses videos --out poses --workers 8

Each video gets a JSON file in Toyota-Smarthome's format, with OpenPose's 18 COCO keypoints, in the
same subfolder of --out; the readers of `datasets.clips` find it there, and so does
`datasets.convert`, which makes episodes of folders with a video for each view. It works offline,
with the models that are part of mediapipe. It can be stopped at any time; the same command resumes.

Where a video shows several people, one is kept: mediapipe's detector takes the person of whom it is
most certain, tracks them from frame to frame, and detects again only after it has lost them.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from jaxtyping import Float
from joblib import Parallel, delayed

from datasets.bounds import PositiveInt, Share
from datasets.clips.own import POSE_FORMATS, POSE_SUFFIX, POSES_FOLDER
from datasets.clips.pose_checks import require_same_length
from datasets.clips.pose_json import read_pose_json, write_pose_json
from datasets.clips.sets import get_format, recognize_format
from datasets.command import command, optional, parse
from datasets.console.streams import print_error
from datasets.errors import DataError, MismatchError, MissingDataError, counted, require
from datasets.progress import ProgressBar
from datasets.skeletons import COCO18
from datasets.storage.atomic import remove_leftovers
from datasets.video import VIDEO_SUFFIXES, check_video, iterate_frames, video_shape

log = logging.getLogger(__name__)

SHOWN_PROBLEMS = 10
# Index of each keypoint among the 33 landmarks of mediapipe's Pose, which has no neck: it is the
# middle of the shoulders.
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
    """Extract 2D keypoints from videos.

    Attributes:
        videos: Folder of videos, which may lie in subfolders, or one video.
        out: Folder of the JSON files; by default `poses` in the folder of the videos.
        visibility: Least visibility, from 0 to 1, that the model must give a keypoint; keypoints
            below it count as missing.
        workers: Number of processes; by default one per core.
    """

    videos: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="VIDEOS")]]
    out: Annotated[Path | None, optional("FOLDER")] = None
    visibility: Share = 0.5
    workers: PositiveInt = os.cpu_count() or 1


def find_videos(folder: Path) -> dict[Path, Path]:
    """Return the videos below a folder, or one video: relative path to file.

    Raises:
        DataError: When there are no videos.
    """
    if folder.is_file():
        return {Path(folder.name): folder}
    videos = {
        path.relative_to(folder): path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")
    }
    if not videos:
        raise MissingDataError(f"{folder} holds no videos ({', '.join(VIDEO_SUFFIXES)}).")
    return videos


def load_mediapipe() -> Any:
    """Import mediapipe.

    Raises:
        DataError: When it is not installed; the message names the command that installs it.
    """
    return require("mediapipe", "poses")


def to_coco18(
    landmarks: Float[np.ndarray, "33 3"], height: int, width: int, visibility: float
) -> Float[np.ndarray, "18 2"]:
    """Convert mediapipe's 33 landmarks to OpenPose's 18 keypoints in pixels, NaN where hidden.

    Args:
        landmarks: x and y as shares of the picture's width and height, and visibility.
        height: Height of the picture in pixels.
        width: Width of the picture in pixels.
        visibility: Least visibility of a keypoint that is not missing.
    """
    points = landmarks[:, :2] * (width, height)
    points[landmarks[:, 2] < visibility] = np.nan
    found = {name: points[i] for name, i in _LANDMARKS.items()}
    found["neck"] = (found["left_shoulder"] + found["right_shoulder"]) / 2
    return np.array([found[name] for name in COCO18.keypoints])


def extract(video: Path, out: Path, visibility: float = 0.5) -> DataError | None:
    """Write the keypoints of one video, unless the file exists.

    Returns:
        The error of a video that is truncated or cannot be decoded, or of a file that exists and
        is not of this video; else None.
    """
    if out.exists():
        return _find_fault(video, out)
    nobody = np.full((len(COCO18), 2), np.nan)
    keypoints = []
    try:
        # A truncated video decodes up to its end, and its poses would look complete.
        check_video(video)
        # Complexity 1 is the model inside the package; mediapipe downloads the others.
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


def _find_fault(video: Path, out: Path) -> DataError | None:
    try:
        require_same_length(len(read_pose_json(out, len(COCO18))), video_shape(video), out)
    except DataError as error:
        return MismatchError(f"{out} was there before: {error} Remove it to extract it again.")
    return None


def _require_apart(files: Mapping[Path, Path]) -> None:
    """Refuses videos that differ in their ending alone, whose poses would have one file."""
    seen: dict[Path, Path] = {}
    for video, file in files.items():
        if (other := seen.setdefault(file, video)) != video:
            raise MismatchError(f"{other} and {video} would have one file of poses; rename one.")


def _warn_unread(folder: Path) -> None:
    """Warns where the videos are of a data set whose reader takes its own skeletons alone."""
    known = recognize_format(folder) if folder.is_dir() else None
    if known is not None and POSE_FORMATS[POSE_SUFFIX] != known:
        log.warning(
            "%s holds clips of %s, of which action.train reads the data set's own skeletons "
            "alone. action.predict reads the poses that are extracted here.",
            folder,
            get_format(known).title,
        )


def extract_poses(config: ExtractConfig) -> list[DataError]:
    """Extract the poses of all videos that have none yet.

    Returns:
        One error for each video that is truncated or cannot be decoded.

    Raises:
        DataError: When there are no videos, two have one name, or mediapipe is missing.
    """
    load_mediapipe()
    videos = find_videos(config.videos)
    out = default_out(config)
    files = {path: out / name.with_name(name.stem + POSE_SUFFIX) for name, path in videos.items()}
    _require_apart(files)
    _warn_unread(config.videos)
    for folder in {file.parent for file in files.values()}:
        remove_leftovers(folder)
    results = Parallel(n_jobs=config.workers, return_as="generator_unordered")(
        delayed(extract)(video, file, config.visibility) for video, file in files.items()
    )
    progress = ProgressBar(results, "extract poses", len(files), unit="video", disable=None)
    return [problem for problem in progress if problem is not None]


def default_out(config: ExtractConfig) -> Path:
    """Return the folder of the JSON files."""
    if config.out is not None:
        return config.out
    return (config.videos.parent if config.videos.is_file() else config.videos) / POSES_FOLDER


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    config = parse(
        ExtractConfig,
        prog="python -m datasets.extract_poses",
        arguments=arguments,
        description=__doc__,
    )
    with command(resume="Run the same command again to resume."):
        problems = extract_poses(config)
        for problem in problems[:SHOWN_PROBLEMS]:
            print_error(problem)
        print(f"{default_out(config)} holds the poses")
        if problems:
            sys.exit(f"{counted(len(problems), 'video')} cannot be used; the others have poses.")


if __name__ == "__main__":
    main()
