"""Toyota-Smarthome, trimmed (Das et al., ICCV 2019): names, classes and protocols."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from datasets.clips.base import Bodies, ClipFormat, ClipInfo, Persons, split_by, zeros_missing
from datasets.clips.pose_json import read_body_json, read_pose_json, write_pose_json
from datasets.skeletons import SMARTHOME13, SMARTHOME15

_NAME = r"([A-Za-z.]+)_p(\d+)_r(\d+)_v(\d+)_c(\d+)"
_VIDEO = re.compile(rf"{_NAME}\.(?:mp4|avi|mkv)", re.IGNORECASE)
_SKELETON = re.compile(rf"{_NAME}_pose3d\.json", re.IGNORECASE)
# Likeness from which another class is a misspelt one: Pour.Fromcup, which the lists have, is 0.83
# like Pour.Fromcan.
_MISSPELT = 0.9

CLASSES = (
    *("Cook.Cleandishes", "Cook.Cleanup", "Cook.Cut", "Cook.Stir", "Cook.Usestove", "Cutbread"),
    *("Drink.Frombottle", "Drink.Fromcan", "Drink.Fromcup", "Drink.Fromglass", "Eat.Attable"),
    *("Eat.Snack", "Enter", "Getup", "Laydown", "Leave", "Makecoffee.Pourgrains"),
    *("Makecoffee.Pourwater", "Maketea.Boilwater", "Maketea.Insertteabag", "Pour.Frombottle"),
    *("Pour.Fromcan", "Pour.Fromkettle", "Readbook", "Sitdown", "Takepills", "Uselaptop"),
    *("Usetablet", "Usetelephone", "Walk", "WatchTV"),
)
# The cross-view protocols use only actions that their cameras have in common, not these.
_NOT_CROSS_VIEW = frozenset(
    (
        *("Cook.Cleandishes", "Cook.Cleanup", "Cook.Cut", "Cook.Stir", "Cook.Usestove", "Laydown"),
        *("Makecoffee.Pourgrains", "Makecoffee.Pourwater", "Maketea.Boilwater"),
        *("Maketea.Insertteabag", "Pour.Fromkettle", "WatchTV"),
    )
)
CROSS_VIEW_CLASSES = tuple(name for name in CLASSES if name not in _NOT_CROSS_VIEW)

_AS_PUBLISHED = {name.casefold(): name for name in CLASSES}

SUBJECTS = {
    "train": frozenset((3, 4, 6, 7, 9, 12, 13, 15, 17)),
    "valid": frozenset((19, 25)),
    "test": frozenset((2, 10, 11, 14, 16, 18, 20)),
}
_CAMERAS = {
    "CV1": {"train": frozenset((1,)), "valid": frozenset((5,)), "test": frozenset((2,))},
    "CV2": {
        "train": frozenset((1, 3, 4, 6, 7)),
        "valid": frozenset((5,)),
        "test": frozenset((2,)),
    },
}


class Smarthome(ClipFormat):
    """Toyota-Smarthome: 31 actions of daily living, 18 subjects, 7 cameras."""

    name = "smarthome"
    title = "Toyota-Smarthome"
    skeleton = SMARTHOME13
    joint_skeleton = SMARTHOME15
    classes = CLASSES
    protocols = ("CS", "CV1", "CV2")
    skeleton_suffixes = ("_pose3d.json",)
    frames = 8
    stride = 32

    def identify(self, video: Path) -> ClipInfo | None:
        """The clip of a name such as `Cook.Cleandishes_p02_r00_v02_c03.mp4`."""
        match = _VIDEO.fullmatch(video.name)
        if match is None:
            return None
        action = _action(match)
        subject, recording, number, camera = map(int, match.groups()[1:])
        return ClipInfo(
            _clip_name(match),
            video,
            None,
            label=CLASSES.index(action) if action in CLASSES else -1,
            action=action,
            subject=subject,
            camera=camera,
            format=self.name,
            replication=recording,
            execution=number,
        )

    def skeleton_of(self, path: Path) -> str | None:
        """The clip of a `_pose3d.json` file."""
        match = _SKELETON.fullmatch(path.name)
        return _clip_name(match) if match else None

    def outside(self, clip: ClipInfo) -> str:
        """Also names the class of which the action is probably a misspelling."""
        near = difflib.get_close_matches(clip.action, CLASSES, n=1, cutoff=_MISSPELT)
        return super().outside(clip) + "".join(f"; rename it if it is {name}" for name in near)

    def classes_of(self, protocol: str) -> tuple[str, ...]:
        """All 31 classes for CS, 19 of them for CV1 and CV2."""
        return CROSS_VIEW_CLASSES if protocol in _CAMERAS else CLASSES

    def split(self, clips: Sequence[ClipInfo], protocol: str) -> dict[str, list[ClipInfo]]:
        """Cross-subject or cross-view; the labels of CV1 and CV2 index their own 19 classes."""
        if protocol == "CS":
            return split_by(clips, lambda clip: _part_with(clip.subject, SUBJECTS))
        shared = [
            replace(clip, label=CROSS_VIEW_CLASSES.index(clip.action))
            for clip in clips
            if clip.action in CROSS_VIEW_CLASSES
        ]
        return split_by(shared, lambda clip: _part_with(clip.camera, _CAMERAS[protocol]))

    def read_persons(self, path: Path, video_width: int, trust_pickles: bool) -> Persons:
        """Reads the data set's JSON, whose pixels are those of its videos."""
        return read_pose_json(path, len(SMARTHOME13))

    def read_bodies(self, path: Path, trust_pickles: bool) -> Bodies:
        """Reads LCR-Net's joints: x right, y down, z away from the camera, about the body.

        The middle of the shoulders and that of the hips are added, as networks on joints take them.
        """
        frames = read_body_json(path, len(SMARTHOME13))
        return [_with_middles(zeros_missing(bodies)) for bodies in frames]

    def video_name(self, clip: ClipInfo) -> Path:
        """As in the published folders."""
        return Path("mp4", f"{clip.name}.mp4")

    def skeleton_name(self, clip: ClipInfo) -> Path:
        """As in the published folders."""
        return Path("skeletonv12", f"{clip.name}_pose3d.json")

    def write_keypoints(
        self,
        path: Path,
        keypoints: Float[np.ndarray, "time *persons keypoints 2"],
        video_width: int,
        joints: Float[np.ndarray, "time *persons joints 3"] | None = None,
    ) -> None:
        """Writes the data set's JSON, without the middles that `read_bodies` adds."""
        own = None if joints is None else joints[..., _PLACES_OF_13, :]
        write_pose_json(path, keypoints, own)


# For each joint of one skeleton, its place in the other; the middles come last.
_PLACES_OF_13 = [SMARTHOME15.keypoints.index(name) for name in SMARTHOME13.keypoints]
_PLACES_OF_15 = [SMARTHOME13.keypoints.index(name) for name in SMARTHOME15.keypoints[:-2]]


def _action(match: re.Match[str]) -> str:
    """The action in a name, in whatever case, as it is published."""
    return _AS_PUBLISHED.get(match[1].casefold(), match[1])


def _clip_name(match: re.Match[str]) -> str:
    """The name as it is published, so that a video and its poses agree."""
    return "{}_p{:0>2}_r{:0>2}_v{:0>2}_c{:0>2}".format(_action(match), *match.groups()[1:])


def _with_middles(
    bodies: Float[np.ndarray, "persons 13 3"],
) -> Float[np.ndarray, "persons 15 3"]:
    with np.errstate(invalid="ignore"):  # infinite ones are missing, as NaN is
        middles = [
            (bodies[:, _place(f"left_{part}")] + bodies[:, _place(f"right_{part}")]) / 2
            for part in ("shoulder", "hip")
        ]
    return np.concatenate([bodies[:, _PLACES_OF_15], np.stack(middles, axis=1)], axis=1)


def _place(name: str) -> int:
    return SMARTHOME13.keypoints.index(name)


def _part_with(number: int, parts: dict[str, frozenset[int]]) -> str | None:
    return next((part for part, members in parts.items() if number in members), None)
