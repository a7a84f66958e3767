"""The files of a data set's folder: its videos, its poses, and what is left out of both."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote

from datasets.clips.base import ClipFormat, ClipInfo
from datasets.errors import FormatError, MissingDataError, counted, shortened
from datasets.video import VIDEO_SUFFIXES

logger = logging.getLogger(__name__)

# The ending of N-UCLA's colour pictures, beside which its depth lies.
_COLOUR = "_rgb.jpg"
# Files left out that a warning names.
SHOWN = 10


def files_below(root: Path) -> Iterator[Path]:
    """Every file that is not hidden, in order, following links to folders."""
    visited = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        visited.add(os.path.realpath(folder))
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and os.path.realpath(os.path.join(folder, name)) not in visited
        )
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(folder, name)


def is_video(path: Path) -> bool:
    """Whether a file's name has the ending of a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES


class PoseFiles:
    """The files of poses in a folder, by the names of their clips."""

    def __init__(self, fmt: ClipFormat) -> None:
        """Starts without files, for a data set of this format."""
        self.fmt = fmt
        self.skeletons: dict[str, Path] = {}
        self.joints: dict[str, Path] = {}

    def add(self, path: Path) -> bool:
        """Notes a file; whether it is one of poses."""
        if (name := self.fmt.skeleton_of(path)) is None:
            return self.add_joints(path)
        self._add_skeleton(name, path)
        return True

    def add_joints(self, path: Path) -> bool:
        """Notes a file of joints that lie apart from skeletons; whether it is one."""
        if (name := self.fmt.joints_of(path)) is None:
            return False
        if (other := self.joints.setdefault(name, path)) != path:
            raise FormatError(f"{other} and {path} are joints of one clip; keep one.")
        return True

    def _add_skeleton(self, name: str, path: Path) -> None:
        fmt = self.fmt
        path, other = fmt.skeleton_place(path), self.skeletons.get(name)
        if other is None or fmt.preference(path) < fmt.preference(other):
            self.skeletons[name] = path
        elif other != path and fmt.preference(path) == fmt.preference(other):
            raise FormatError(f"{other} and {path} are poses of one clip; keep one, or use lists.")

    def given_to(self, clip: ClipInfo) -> ClipInfo:
        """The clip with its files of poses; those that a list names stay."""
        if self.fmt.knows_no_pose(clip.name):
            return clip
        skeleton = clip.skeleton or self.skeletons.get(clip.name)
        joints = self.joints.get(clip.name) if self.fmt.joints_apart else skeleton
        return replace(clip, skeleton=skeleton, joints=joints)


def warn_left_out(videos: Sequence[Path], why: str) -> None:
    """Names some of the videos that are left out, and why."""
    if videos:
        names = shortened([path.name for path in videos], SHOWN)
        logger.warning("left out %s %s: %s", counted(len(videos), "clip"), why, names)


def no_videos(root: Path, fmt: ClipFormat, example: ClipInfo) -> MissingDataError:
    """The error for a folder without clips; N-UCLA can be downloaded as pictures, too."""
    pictures = (path for path in files_below(root) if path.suffix.lower() in (".jpg", ".png"))
    first = next((path for path in pictures if fmt.identify(_as_video(path.parent))), None)
    if first is None:
        return MissingDataError(
            f"{root} holds no video of {fmt.title}; its videos are named as in "
            f"{root / fmt.video_name(example)}."
        )
    ending = _COLOUR if fmt.name == "nucla" else first.suffix
    video, frames = quote(str(_as_video(first.parent))), f"{quote(str(first.parent))}/*{ending}"
    return MissingDataError(
        f"{root} holds the pictures of {fmt.title}: download its videos, or make a video of each "
        f"folder: cat $(ls -v {frames}) | ffmpeg -framerate 30 -f image2pipe -i - {video}"
    )


def _as_video(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.mp4")
