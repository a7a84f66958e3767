"""Northwestern-UCLA Multiview Action 3D (Wang et al., CVPR 2014): names, classes, protocols."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from datasets.clips.base import (
    MAX_FRAMES,
    Bodies,
    ClipFormat,
    ClipInfo,
    Persons,
    split_by,
    zeros_missing,
)
from datasets.clips.files import read_json_file
from datasets.clips.openpose import is_frame, read_openpose
from datasets.clips.pose_json import read_pose_json, to_numbers, write_pose_json
from datasets.errors import FormatError, MissingDataError
from datasets.skeletons import COCO18, NUCLA20
from datasets.storage.atomic import atomic_path

# Class of each action number in file names; labels follow this order.
ACTIONS = {
    1: "pick up with one hand",
    2: "pick up with two hands",
    3: "drop trash",
    4: "walk around",
    5: "sit down",
    6: "stand up",
    8: "donning",
    9: "doffing",
    11: "throw",
    12: "carry",
}
_NUMBERS = tuple(ACTIONS)
CLASSES = tuple(ACTIONS.values())
# No split is published. The authors train on nine subjects and test on the one left out; by
# default that is the last subject.
CS_TEST_SUBJECTS = frozenset((10,))

_VIDEO_SUFFIXES = (".avi", ".mp4", ".mkv")
_SKELETON_SUFFIXES = ("_skeleton2d.json", "_pose3d.json")
# The folder, and the names, in which the Kinect's joints are passed on.
_JOINTS_FOLDER = "all_sqe"
_JOINTS = re.compile(r"(?:[avse]\d{2}_){3}[avse]\d{2}\.json", re.IGNORECASE)
# The parts a01, v01, s01, e00 of a name may come in any order; the view may be a folder view_1.
_PART = re.compile(r"(?:^|_)([avse])(\d{2})(?=_|$)", re.IGNORECASE)
_VIEW_FOLDER = re.compile(r"view_?(\d)", re.IGNORECASE)
_CONTIGUOUS = re.compile(r"S(\d{2})A(\d{2})E(\d{2})V(\d{2})", re.IGNORECASE)


class Nucla(ClipFormat):
    """N-UCLA: 10 actions, 10 subjects, 3 views."""

    name = "nucla"
    title = "Northwestern-UCLA"
    skeleton = COCO18
    joint_skeleton = NUCLA20
    joints_apart = True
    classes = CLASSES
    protocols = ("CS", "CV1", "CV2", "CV3")
    skeleton_suffixes = (*_SKELETON_SUFFIXES, "")
    pose_remedy = "extract its poses again"
    farthest = 500.0  # metres; millimetres of a person are thousands
    frames = 8
    stride = 4

    def identify(self, video: Path) -> ClipInfo | None:
        """The clip of a name such as `a01/v01_s01_e00.avi` or `view_1/a01_s01_e00.mp4`."""
        if video.suffix.lower() not in _VIDEO_SUFFIXES:
            return None
        # A folder that is named `.` has a name, too.
        numbers = _numbers(video.stem, video.absolute().parent.name)
        if numbers is None:
            return None
        action, view, subject, execution = numbers
        known = action in ACTIONS
        return ClipInfo(
            _clip_name(*numbers),
            video,
            None,
            label=_NUMBERS.index(action) if known else -1,
            action=ACTIONS[action] if known else f"a{action:02d}",
            subject=subject,
            camera=view,
            format=self.name,
            execution=execution,
        )

    def skeleton_of(self, path: Path) -> str | None:
        """The clip of a JSON file, or of a frame in a folder that OpenPose wrote."""
        if is_frame(path):
            folder = path.absolute().parent
            numbers = _numbers(folder.name, folder.parent.name)
            return _clip_name(*numbers) if numbers else None
        for suffix in _SKELETON_SUFFIXES:
            if path.name.lower().endswith(suffix):
                numbers = _numbers(path.name[: -len(suffix)], path.parent.name)
                return _clip_name(*numbers) if numbers else None
        return None

    def skeleton_place(self, path: Path) -> Path:
        """The folder of a frame that OpenPose wrote."""
        return path.parent if is_frame(path) else path

    def joints_of(self, path: Path) -> str | None:
        """The clip of a file such as `all_sqe/a01_s01_e00_v01.json`."""
        if _JOINTS.fullmatch(path.name) is None:
            return None
        numbers = _numbers(path.stem, path.parent.name)
        return _clip_name(*numbers) if numbers else None

    def split(self, clips: Sequence[ClipInfo], protocol: str) -> dict[str, list[ClipInfo]]:
        """CVi tests on view i and trains on the other views; CS tests on subject 10."""
        if protocol == "CS":
            return cross_subject(clips, CS_TEST_SUBJECTS)
        view = int(protocol.removeprefix("CV"))
        return split_by(clips, lambda clip: "test" if clip.camera == view else "train")

    def read_persons(self, path: Path, video_width: int, trust_pickles: bool) -> Persons:
        """Reads a JSON file, or a folder of OpenPose's files."""
        if path.suffix.lower() == ".json":
            return read_pose_json(path, len(COCO18))
        return read_openpose(path)

    def read_bodies(self, path: Path, trust_pickles: bool) -> Bodies:
        """Reads metres of the Kinect: x right, y up, z away from it; one body."""
        content = read_json_file(path)
        frames = content.get("skeletons") if isinstance(content, dict) else None
        if not isinstance(frames, list) or len(frames) > MAX_FRAMES:
            raise FormatError(f"{path} has no list `skeletons` of up to {MAX_FRAMES} frames.")
        return [_read_body(f"{path}, frame {i}", path, frame) for i, frame in enumerate(frames)]

    def video_name(self, clip: ClipInfo) -> Path:
        """As in the official videos."""
        action, rest = clip.name.split("_", 1)
        return Path("multiview_action_videos", action, f"{rest}.avi")

    def skeleton_name(self, clip: ClipInfo) -> Path:
        """As in the folders of the published code, which count actions and executions from 1."""
        numbers = (clip.subject, clip.label + 1, clip.execution + 1, clip.camera)
        return Path(
            "ucla_skeletons", "S{:02d}A{:02d}E{:02d}V{:02d}_skeleton2d.json".format(*numbers)
        )

    def joints_path(self, skeleton: Path) -> Path:
        """In the folder `all_sqe`, beside the skeleton file's folder."""
        return _joints_path(skeleton)

    def write_keypoints(
        self,
        path: Path,
        keypoints: Float[np.ndarray, "time *persons keypoints 2"],
        video_width: int,
        joints: Float[np.ndarray, "time *persons joints 3"] | None = None,
    ) -> None:
        """Writes the JSON of 18 keypoints, and the first person's joints into a folder beside."""
        if joints is not None:
            first = np.asarray(joints, np.float64).reshape(len(joints), -1, len(NUCLA20), 3)[:, 0]
            _write_joints(_joints_path(path), first)
        write_pose_json(path, keypoints)


def _joints_path(skeleton: Path) -> Path:
    """Where the joints of a skeleton file's clip are written: `all_sqe`, beside its folder."""
    numbers = _numbers(skeleton.name.removesuffix(_SKELETON_SUFFIXES[0]), "")
    if numbers is None:
        raise MissingDataError(f"{skeleton} is no name of a clip of N-UCLA: use `skeleton_name`.")
    action, view, subject, execution = numbers
    name = f"a{action:02d}_s{subject:02d}_e{execution:02d}_v{view:02d}.json"
    return skeleton.parents[1] / _JOINTS_FOLDER / name


def _write_joints(path: Path, joints: Float[np.ndarray, "time 20 3"]) -> None:
    known = np.isfinite(joints).all(axis=-1, keepdims=True)
    frames = np.where(known, joints, 0).round(4).tolist()
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({"file_name": path.stem, "skeletons": frames}))


def _read_body(place: str, path: Path, frame: Any) -> Float[np.ndarray, "persons 20 3"]:
    if frame == []:
        return np.empty((0, len(NUCLA20), 3))  # nobody is tracked
    shape = (1, len(NUCLA20), 3)
    rows = frame if isinstance(frame, list) else []
    if len(rows) != shape[1] or not all(isinstance(r, list) and len(r) == 3 for r in rows):
        raise FormatError(f"{place}: a body is no list of {shape[1]} joints of three numbers.")
    numbers = to_numbers(path, [number for row in rows for number in row])
    return zeros_missing(numbers.reshape(shape))


def cross_subject(
    clips: Sequence[ClipInfo], test_subjects: frozenset[int]
) -> dict[str, list[ClipInfo]]:
    """Tests on some subjects and trains on all others."""
    return split_by(clips, lambda clip: "test" if clip.subject in test_subjects else "train")


def _numbers(stem: str, folder: str) -> tuple[int, int, int, int] | None:
    """Action, view, subject and execution, from a file's name and its folder's name."""
    if match := _CONTIGUOUS.fullmatch(stem):
        subject, action, execution, view = map(int, match.groups())
        if not 1 <= action <= len(_NUMBERS) or execution < 1:
            return None
        return _NUMBERS[action - 1], view, subject, execution - 1
    parts = {letter.lower(): int(number) for letter, number in _PART.findall(folder)}
    if match := _VIEW_FOLDER.fullmatch(folder):
        parts["v"] = int(match[1])
    parts |= {letter.lower(): int(number) for letter, number in _PART.findall(stem)}
    if set(parts) != set("avse"):
        return None
    return parts["a"], parts["v"], parts["s"], parts["e"]


def _clip_name(action: int, view: int, subject: int, execution: int) -> str:
    return f"a{action:02d}_v{view:02d}_s{subject:02d}_e{execution:02d}"
