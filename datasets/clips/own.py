"""Videos of one's own as clips: no name tells their class, and their poses lie in a file each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from datasets.clips.base import ClipInfo
from datasets.clips.ntu_skeleton import TEXT_SUFFIX
from datasets.clips.sets import get_format
from datasets.errors import FormatError, MismatchError, MissingDataError, counted
from datasets.video import check_video, video_shape

# Where `datasets.extract_poses` writes the poses of a video: this folder beside it, this ending.
POSES_FOLDER, POSE_SUFFIX = "poses", "_skeleton2d.json"
# Ending of a pose file to the data set whose form it has.
POSE_FORMATS = {POSE_SUFFIX: "nucla", "_pose3d.json": "smarthome", TEXT_SUFFIX: "ntu"}
# What NTU's videos have in their names, and their poses have not.
_VIDEO_ENDING = "_rgb"


def find_poses(video: Path, place: Path | None = None) -> Path | None:
    """The file of a video's poses, in one of the forms of `POSE_FORMATS`.

    Args:
        video: The video.
        place: The file, or the folder that holds it; by default the folder `poses` beside the
            video, which need not exist.

    Returns:
        The file; None where none is named and none is found.

    Raises:
        MissingDataError: When the place does not exist, or holds no poses of the video.
        FormatError: When the file's ending is unknown.
    """
    if place is not None and not place.exists():
        raise MissingDataError(f"{place} does not exist; name a file or folder of poses.")
    if place is not None and not place.is_dir():
        _ending_of(place)
        return place
    folder, stem = place or video.parent / POSES_FOLDER, video.stem
    stems = dict.fromkeys((stem.removesuffix(_VIDEO_ENDING), stem))
    names = [each + ending for each in stems for ending in POSE_FORMATS]
    found = [folder / name for name in names if (folder / name).exists()]
    if place is not None and not found:
        raise MissingDataError(f"{place} has no poses of {video}: none of {', '.join(names)}.")
    return found[0] if found else None


def own_clip(video: Path, poses: Path | None, format: str) -> ClipInfo:
    """A video as a clip without a class.

    Args:
        video: The video.
        poses: File of its poses; None where it has none.
        format: `ntu`, `smarthome` or `nucla`: the format of the clip, unless its poses have the
            form of another one.

    Raises:
        FormatError: When the ending of the pose file is unknown.
    """
    ending = _ending_of(poses) if poses else ""
    own = not ending or ending in get_format(format).skeleton_suffixes
    form = format if own else POSE_FORMATS[ending]
    joints = None if get_format(form).joints_apart or form != format else poses
    unlabelled = ClipInfo(video.stem, video, poses, -1, "", subject=0, camera=0, format=form)
    return replace(unlabelled, joints=joints)


def require_own_video(video: Path, span: int, short: bool = False) -> None:
    """Checks that a path leads to a whole video that is as long as a sample of it.

    Args:
        video: The path.
        span: Frames from the first of a sample to its last.
        short: Whether a shorter video may be taken.

    Raises:
        MismatchError: When the video is shorter.
        DataError: When it is a folder, is missing, or cannot be read.
    """
    if video.is_dir():
        raise MissingDataError(f"{video} is a folder: name the videos in it, {video / '*.mp4'}.")
    check_video(video)
    if (frames := video_shape(video).frames) < span and not short:
        raise MismatchError(
            f"{video} has {counted(frames, 'frame')}, and a clip of this run spans {span}. Name a "
            "longer video, or use --short, which samples it as the run does short clips "
            "(--batch.short)."
        )


def _ending_of(poses: Path) -> str:
    for ending in POSE_FORMATS:
        if poses.name.lower().endswith(ending):
            return ending
    raise FormatError(f"{poses} has no known form; poses end with {', '.join(POSE_FORMATS)}.")
