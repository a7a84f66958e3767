"""Sets of labelled clips: how a data set's folder is opened, its splits, and its poses.

The folder may be as it was downloaded: files are found by their names in any folder below it.

    clips = open_clip_set("NTU", "ntu")
    parts = clips.split("CVS3")
    keypoints = read_keypoints(parts["train"][0])
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from shlex import quote

import numpy as np
from jaxtyping import Float

from datasets.clips.base import ClipFormat, ClipInfo
from datasets.clips.finding import PoseFiles, files_below, is_video, no_videos, warn_left_out
from datasets.clips.lists import ListedClip, read_lists
from datasets.clips.ntu import Ntu
from datasets.clips.nucla import Nucla, cross_subject
from datasets.clips.persons import choose_persons, without_bystanders
from datasets.clips.pose_checks import require_by_axes, require_fitting
from datasets.clips.smarthome import Smarthome
from datasets.errors import (
    FormatError,
    MissingDataError,
    OptionError,
    require_known,
)
from datasets.skeletons import Skeleton
from datasets.storage.episode_file import SPLITS
from datasets.video import video_shape

logger = logging.getLogger(__name__)

FORMATS: dict[str, ClipFormat] = {fmt.name: fmt for fmt in (Ntu(), Smarthome(), Nucla())}
# The data sets' actions have one person or two.
PERSONS = 2
# Names that tell which data set a folder holds; reading all 114,480 of NTU takes a while.
_NAMES_READ = 200
# Name of the protocol that uses the lists' splits, for a set opened with lists.
LISTS = "lists"
# Protocols whose published number is the mean over several, each trained and evaluated separately.
PROTOCOL_MEANS: dict[str, dict[str, tuple[str, ...]]] = {"nucla": {"CV": ("CV1", "CV2", "CV3")}}


@dataclass(frozen=True)
class ClipSet:
    """The clips of one data set.

    Attributes:
        name: `ntu`, `smarthome` or `nucla`.
        root: Folder of the data set.
        clips: All clips, in order of their names.
        dropped: Files that belong to no clip of the set, with the reason.
        listed: Clips of each split, for a set opened with lists.
        listed_protocol: The protocol whose classes the lists' labels index.
    """

    name: str
    root: Path
    clips: tuple[ClipInfo, ...]
    dropped: dict[Path, str] = field(default_factory=dict)
    listed: dict[str, tuple[ClipInfo, ...]] | None = None
    listed_protocol: str | None = None

    @property
    def format(self) -> ClipFormat:
        """The data set's conventions."""
        return FORMATS[self.name]

    @property
    def skeleton(self) -> Skeleton:
        """The keypoints of its poses."""
        return self.format.skeleton

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the labels of `clips` index."""
        return self.format.classes

    @property
    def protocols(self) -> tuple[str, ...]:
        """The protocols that `split` accepts."""
        return (*self.format.protocols, *((LISTS,) if self.listed is not None else ()))

    def classes_of(self, protocol: str) -> tuple[str, ...]:
        """The classes that the labels of `split(protocol)` index; Smarthome's CV has 19 of 31."""
        if self._known(protocol) == LISTS:
            return self.format.classes_of(self.listed_protocol or self.format.protocols[0])
        return self.format.classes_of(protocol)

    def split(
        self, protocol: str, test_subjects: Iterable[int] | None = None
    ) -> dict[str, tuple[ClipInfo, ...]]:
        """The clips of `train`, `valid` and `test` under a protocol, with its labels.

        NTU and N-UCLA have no validation clips: `valid` is empty.

        Args:
            protocol: One of `protocols`.
            test_subjects: Subjects for test, for N-UCLA's CS only; subject 10 by default.

        Raises:
            MissingDataError: When the protocol finds no training or no test clips.
            OptionError: When the protocol has its own test subjects.
            UnknownNameError: When the protocol is unknown.
        """
        self._known(protocol)
        if test_subjects is not None and (self.name, protocol) != ("nucla", "CS"):
            raise OptionError(
                f"only N-UCLA's CS takes test_subjects: {protocol} of {self.format.title} fixes "
                "its test clips; leave them out."
            )
        if protocol == LISTS:
            return dict(self.listed or {})
        if test_subjects is not None:
            tested = frozenset(test_subjects)
            self._require_subjects(tested)
            parts = cross_subject(self.clips, tested)
        else:
            parts = self.format.split(self.clips, protocol)
        for part in ("train", "test"):
            if not parts[part]:
                raise MissingDataError(
                    f"{protocol} finds no {part} clips among the {len(self.clips)} of {self.root}; "
                    f"`python -m datasets.info {quote(str(self.root))} --format {self.name}` "
                    "counts them."
                )
        return {part: tuple(parts[part]) for part in SPLITS}

    def _require_subjects(self, tested: frozenset[int]) -> None:
        """Refuses test subjects of whom there are no clips, which would be left out in silence."""
        known = {clip.subject for clip in self.clips}
        if absent := sorted(tested - known):
            raise OptionError(
                f"{self.root} has no clips of test subjects {', '.join(map(str, absent))}; it has "
                f"those of {', '.join(map(str, sorted(known)))}."
            )

    def _known(self, protocol: str) -> str:
        require_known(f"protocol of {self.format.title}", protocol, self.protocols)
        return protocol


def protocol_parts(format: str, protocol: str) -> tuple[str, ...]:
    """The protocols to train and evaluate for a protocol's number: N-UCLA's CV has three."""
    return PROTOCOL_MEANS.get(format, {}).get(protocol, (protocol,))


def open_clip_set(
    folder: Path | str, format: str, lists: Path | str | None = None, allow_empty: bool = False
) -> ClipSet:
    """Finds the clips of a data set in a folder, or those that lists name.

    Args:
        folder: Folder of the videos and skeletons, which may lie in any folders below.
        format: `ntu`, `smarthome` or `nucla`.
        lists: Folder of `train.csv`, `val.csv` and `test.csv` as in the published code, with
            lines `video,pose,label` or `video label`; paths are relative to it or to `folder`.
        allow_empty: Whether a folder may have no clip.

    Raises:
        UnknownNameError: When there is no such format.
        DataError: When the folder does not exist or has no clip, two files have the name of one
            clip, or a list is not valid.
    """
    root = Path(folder)
    fmt = get_format(format)
    if not root.is_dir():
        raise MissingDataError(f"{root} is no folder; name the folder that holds {fmt.title}.")
    if lists is not None:
        return _open_lists(root, fmt, Path(lists))
    videos: dict[str, ClipInfo] = {}
    outside: dict[str, ClipInfo] = {}
    unnamed: list[Path] = []
    poses = PoseFiles(fmt)
    for path in files_below(root):
        if poses.add(path):
            continue
        if (clip := fmt.identify(path)) is None:
            unnamed += [path] if is_video(path) else []
            continue
        found = outside if clip.label < 0 else videos
        if (other := found.setdefault(clip.name, clip)) is not clip:
            raise FormatError(f"{other.video} and {path} are one clip; keep one.")
    clips = tuple(poses.given_to(videos[name]) for name in sorted(videos))
    if not clips and not allow_empty:
        raise no_videos(root, fmt, _EXAMPLES[fmt.name])
    dropped = {clip.video: fmt.outside(clip) for clip in outside.values()}
    dropped |= {path: f"not named as a clip of {fmt.title}" for path in unnamed}
    for name, path in poses.skeletons.items():
        if name not in videos:
            dropped[path] = fmt.outside(outside[name]) if name in outside else "no video"
    warn_left_out([clip.video for clip in outside.values()], "of other classes")
    warn_left_out(unnamed, f"whose names are not those of {fmt.title}")
    return ClipSet(fmt.name, root, clips, dropped)


def recognize_format(folder: Path) -> str | None:
    """The action data set whose videos a folder holds, judged by the names of its first files.

    Returns:
        `ntu`, `smarthome` or `nucla`; None where fewer than half of these files are its clips, as
        in a folder of videos of one's own.
    """
    first = list(islice((path for path in files_below(folder) if is_video(path)), _NAMES_READ))
    for fmt in FORMATS.values():
        known = sum(fmt.identify(path) is not None for path in first)
        if known and 2 * known >= len(first):
            return fmt.name
    return None


def get_format(name: str) -> ClipFormat:
    """Looks up the format of an action data set.

    Raises:
        UnknownNameError: When the name is unknown; the message gives the nearest one.
    """
    require_known("format", name, FORMATS)
    return FORMATS[name]


def read_keypoints(
    clip: ClipInfo, trust_pickles: bool = False
) -> Float[np.ndarray, "time keypoints 2"]:
    """Reads one person's keypoints in pixels of the clip's video, NaN where missing.

    `datasets.clips.persons.choose_person` chooses the person. A clip without a skeleton gets NaN
    for every frame of its video. A skeleton may be a few frames shorter or longer than its video.

    Args:
        clip: The clip.
        trust_pickles: Whether NTU's `.skeleton.npy` files, which are pickles, may be loaded.

    Returns:
        (T, K, 2) float32, x right and y down.

    Raises:
        DataError: When the skeleton or the video cannot be read, or do not fit each other; names
            the file.
    """
    return read_persons(clip, trust_pickles)[:, 0]


def read_persons(
    clip: ClipInfo, trust_pickles: bool = False
) -> Float[np.ndarray, "time 2 keypoints 2"]:
    """Reads the keypoints of the person of `read_keypoints`, and of a second one who acts too.

    `datasets.clips.persons.without_bystanders` says who does; without a second person, theirs are
    NaN. Arguments and errors are those of `read_keypoints`.
    """
    fmt = get_format(clip.format)
    count = len(fmt.skeleton)
    shape = video_shape(clip.video)
    if clip.skeleton is None:
        return np.full((shape.frames, PERSONS, count, 2), np.nan, np.float32)
    found = fmt.read_persons(clip.skeleton, shape.width, trust_pickles)
    persons = choose_persons(found, count, PERSONS, fmt.furniture)
    if clip.skeleton.suffix.lower() == ".json":
        require_by_axes(persons[:, 0], fmt.skeleton, clip.skeleton)
    require_fitting(persons[:, 0], shape, clip.skeleton, fmt.pose_picture, fmt.pose_remedy)
    return without_bystanders(persons, fmt.furniture)


_EXAMPLES = {
    clip.format: clip
    for clip in (
        Ntu().identify(Path("S001C002P003R002A013_rgb.avi")),
        Smarthome().identify(Path("Cook.Cleandishes_p02_r00_v02_c03.mp4")),
        Nucla().identify(Path("a01/v01_s01_e00.avi")),
    )
    if clip is not None
}


def _open_lists(root: Path, fmt: ClipFormat, folder: Path) -> ClipSet:
    rows, protocol, dropped = read_lists(folder, root, fmt)
    warn_left_out(list(dropped), "of other classes")
    poses = PoseFiles(fmt)
    complete = all(row.pose is not None for part in rows.values() for row in part)
    for path in files_below(root) if fmt.joints_apart or not complete else ():
        poses.add_joints(path) if complete else poses.add(path)

    def to_clip(row: ListedClip) -> ClipInfo:
        return poses.given_to(replace(row.clip, label=row.label, skeleton=row.pose))

    listed = {part: tuple(to_clip(row) for row in rows[part]) for part in SPLITS}
    by_name = {clip.name: clip for part in listed.values() for clip in part}
    clips = tuple(
        replace(by_name[name], label=fmt.classes.index(by_name[name].action))
        for name in sorted(by_name)
    )
    return ClipSet(fmt.name, root, clips, dropped, listed, protocol)
