"""NTU RGB+D 60 (Shahroudy et al., CVPR 2016): names, classes and protocols."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from jaxtyping import Float

from datasets.clips.base import Bodies, ClipFormat, ClipInfo, Persons, split_by, zeros_missing
from datasets.clips.ntu_skeleton import (
    PICKLE_SUFFIX,
    SENSOR_HEIGHT,
    SENSOR_WIDTH,
    TEXT_SUFFIX,
    count_frames,
    is_pickle,
    read_pickled,
    read_pickled_bodies,
    read_text,
    read_text_bodies,
    write_text,
)
from datasets.errors import DataError
from datasets.skeletons import NTU25

logger = logging.getLogger(__name__)

_NAME = r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})"
_VIDEO = re.compile(rf"({_NAME})(?:_rgb)?\.(?:avi|mp4|mkv)", re.IGNORECASE)
_SKELETON = re.compile(rf"({_NAME})\.skeleton(?:\.npy)?", re.IGNORECASE)

# NTU RGB+D 120 adds setups 18 to 32, with actions 61 to 120; people keep both in one folder.
SETUPS = 17
TRAIN_SUBJECTS = frozenset(
    (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)
)
TRAIN_CAMERAS = frozenset((2, 3))
# The angle in degrees from which a camera sees the person in a replication, by the CVS protocols.
ANGLES = {(2, 2): 0, (3, 1): 0, (1, 1): 45, (1, 2): 45, (2, 1): 90, (3, 2): 90}
_CVS_ANGLES = {"CVS1": 0, "CVS2": 45, "CVS3": 90}
# The published lists of the CVS protocols contain no shorter clips.
CVS_MIN_FRAMES = 32

CLASSES = (
    *("drink water", "eat meal", "brush teeth", "brush hair", "drop", "pick up", "throw"),
    *("sit down", "stand up", "clapping", "reading", "writing", "tear up paper", "put on jacket"),
    *("take off jacket", "put on a shoe", "take off a shoe", "put on glasses"),
    *("take off glasses", "put on a hat", "take off a hat", "cheer up", "hand waving"),
    *("kicking something", "reach into pocket", "hopping", "jump up", "phone call"),
    *("play with phone", "type on a keyboard", "point to something", "taking a selfie"),
    *("check time", "rub two hands", "nod head", "shake head", "wipe face", "salute"),
    *("put palms together", "cross hands in front", "sneeze or cough", "staggering"),
    *("falling down", "headache", "chest pain", "back pain", "neck pain", "nausea"),
    *("fan self", "punch or slap", "kicking", "pushing", "pat on back", "point finger"),
    *("hugging", "giving object", "touch pocket", "shaking hands", "walking towards"),
    "walking apart",
)


@cache
def missing_skeletons() -> frozenset[str]:
    """Names of the 302 clips whose skeletons the authors list as missing or incomplete."""
    text = (files("datasets.clips") / "ntu60_missing_skeletons.txt").read_text()
    return frozenset(text.split())


class Ntu(ClipFormat):
    """NTU RGB+D 60: 60 actions, 40 subjects, 3 cameras."""

    name = "ntu"
    title = "NTU RGB+D 60"
    skeleton = joint_skeleton = NTU25
    classes = CLASSES
    protocols = ("CS", "CV", "CVS1", "CVS2", "CVS3")
    skeleton_suffixes = (TEXT_SUFFIX, PICKLE_SUFFIX)
    frames = 16
    stride = 4
    furniture = True
    pose_picture = (SENSOR_WIDTH, SENSOR_HEIGHT)
    farthest = 500.0  # metres; millimetres of a person are thousands

    def identify(self, video: Path) -> ClipInfo | None:
        """The clip of a name such as `S001C002P003R002A013_rgb.avi`; the label is A - 1."""
        match = _VIDEO.fullmatch(video.name)
        if match is None:
            return None
        setup, camera, subject, replication, action = map(int, match.groups()[1:])
        known = 1 <= action <= len(CLASSES) and setup <= SETUPS
        return ClipInfo(
            match[1].upper(),
            video,
            None,
            label=action - 1 if known else -1,
            action=CLASSES[action - 1] if known else f"S{setup:03d} A{action:03d}",
            subject=subject,
            camera=camera,
            format=self.name,
            setup=setup,
            replication=replication,
        )

    def skeleton_of(self, path: Path) -> str | None:
        """The clip of a `.skeleton` or `.skeleton.npy` file."""
        match = _SKELETON.fullmatch(path.name)
        return match[1].upper() if match else None

    def outside(self, clip: ClipInfo) -> str:
        """Whether a clip is of NTU RGB+D 120."""
        return (
            f"{clip.action} is not among the {len(CLASSES)} classes and {SETUPS} setups of "
            f"{self.title}; NTU RGB+D 120 has more"
        )

    def knows_no_pose(self, name: str) -> bool:
        """Whether the clip is on the authors' list of missing skeletons."""
        return name in missing_skeletons()

    def split(self, clips: Sequence[ClipInfo], protocol: str) -> dict[str, list[ClipInfo]]:
        """Cross-subject, cross-view or cross-view-subject (paper section 4.1); `valid` is empty."""
        if protocol == "CS":
            return split_by(clips, lambda c: "train" if c.subject in TRAIN_SUBJECTS else "test")
        if protocol == "CV":
            return split_by(clips, lambda c: "train" if c.camera in TRAIN_CAMERAS else "test")

        def cross_view_subject(clip: ClipInfo) -> str | None:
            angle = ANGLES[clip.camera, clip.replication]
            if clip.subject in TRAIN_SUBJECTS:
                return "train" if angle == 0 else None
            return "test" if angle == _CVS_ANGLES[protocol] else None

        return split_by(_seen_from_all_angles(clips), cross_view_subject)

    def read_persons(self, path: Path, video_width: int, trust_pickles: bool) -> Persons:
        """Reads a text or a pickled skeleton; see `datasets.clips.ntu_skeleton`."""
        if is_pickle(path):
            return read_pickled(path, video_width, trust_pickles)
        return read_text(path, video_width)

    def read_bodies(self, path: Path, trust_pickles: bool) -> Bodies:
        """Reads metres of the depth camera: x right, y up, z away from it."""
        if is_pickle(path):
            frames = read_pickled_bodies(path, trust_pickles)
        else:
            frames = read_text_bodies(path)
        return [zeros_missing(bodies) for bodies in frames]

    def video_name(self, clip: ClipInfo) -> Path:
        """As in the published folders."""
        return Path("rgb", f"{clip.name}_rgb.avi")

    def skeleton_name(self, clip: ClipInfo) -> Path:
        """As in the published folders."""
        return Path("skeletons", f"{clip.name}{TEXT_SUFFIX}")

    def write_keypoints(
        self,
        path: Path,
        keypoints: Float[np.ndarray, "time *persons keypoints 2"],
        video_width: int,
        joints: Float[np.ndarray, "time *persons keypoints 3"] | None = None,
    ) -> None:
        """Writes a `.skeleton` file; its pixels are scaled to a video 1920 pixels wide."""
        write_text(path, keypoints, video_width, joints)


def _seen_from_all_angles(clips: Sequence[ClipInfo]) -> list[ClipInfo]:
    """Keeps performances whose three clips all exist, have a skeleton and are long enough."""
    performances: dict[tuple[int, ...], list[ClipInfo]] = defaultdict(list)
    for clip in clips:
        if (clip.camera, clip.replication) in ANGLES:
            key = (clip.setup, clip.subject, clip.replication, clip.label)
            performances[key].append(clip)
    kept = [group for group in performances.values() if _is_complete(group)]
    if len(kept) < len(performances):
        logger.warning(
            "the CVS protocols leave out %d of %d performances: they lack a camera, a "
            "skeleton that can be read, or %d frames",
            len(performances) - len(kept),
            len(performances),
            CVS_MIN_FRAMES,
        )
    return [clip for group in kept for clip in group]


def _is_complete(performance: list[ClipInfo]) -> bool:
    return len(performance) == 3 and all(_is_long_enough(clip) for clip in performance)


def _is_long_enough(clip: ClipInfo) -> bool:
    if clip.skeleton is None:
        return False
    try:
        return count_frames(clip.skeleton, clip.video) >= CVS_MIN_FRAMES
    except DataError:  # an unreadable skeleton counts as missing
        return False
