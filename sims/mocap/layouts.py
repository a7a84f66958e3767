"""The layouts of the action data sets: class, subject and camera of each rendered motion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from datasets.clips import ntu, nucla, smarthome
from datasets.clips.base import ClipFormat, ClipInfo
from datasets.clips.sets import get_format
from datasets.skeletons import SMARTHOME15

Points = Float[np.ndarray, "*batch joints 3"]


class Slot(NamedTuple):
    """The position of a performance in a data set.

    Attributes:
        label: Index of the class in `Layout.classes`.
        subject: Number of the subject.
        repetition: Number of earlier performances of this class by the subject.
    """

    label: int
    subject: int
    repetition: int


@dataclass(frozen=True)
class Layout:
    """The layout of a data set of performances.

    Attributes:
        format: The data set's names and file formats.
        classes: Classes that a motion can be stored under.
        subjects: Numbers of the subjects, those of training and test interleaved.
        learners: Numbers of those whom cross-subject protocols train on.
        cameras: Azimuth of each camera in degrees, by its number.
        repetitions: Largest number of performances of a class by a subject.
        faced: Returns the camera that a subject faces in a repetition.
        video: Returns the name of a clip's video, with its folder where that carries information.
        joints: Turns joints in a camera's frame (x right, y down, z forward) into the data set's.
    """

    format: ClipFormat
    classes: tuple[str, ...]
    subjects: tuple[int, ...]
    learners: frozenset[int]
    cameras: Mapping[int, float]
    repetitions: int
    faced: Callable[[int], int]
    video: Callable[[Slot, int], str]
    joints: Callable[[Points], Points]

    def clip(self, slot: Slot, camera: int, root: Path) -> ClipInfo:
        """The clip of a slot and a camera, with the paths of its files in the data set."""
        named = self.format.identify(Path(self.video(slot, camera)))
        assert named is not None
        return ClipInfo(
            **vars(named)
            | {
                "video": root / self.format.video_name(named),
                "skeleton": root / self.format.skeleton_name(named),
            }
        )

    def facing(self, repetition: int) -> float:
        """The azimuth that a subject faces, in radians."""
        return float(np.radians(self.cameras[self.faced(repetition)]))


def get_layout(name: str) -> Layout:
    """The layout of one of `datasets.clips.sets.FORMATS`."""
    return _LAYOUTS[name]


def _in_turn(train: Sequence[int], test: Sequence[int]) -> tuple[int, ...]:
    """Interleaves two groups: one of each first, then in proportion to their sizes."""
    places = [
        ((i + 0.5) / len(group) if i else 0.0, number)
        for group in (train, test)
        for i, number in enumerate(group)
    ]
    return tuple(number for _, number in sorted(places))


# As in NTU, subjects repeat every performance, facing the right camera first and then the left one.
# The angles of the cross-view-subject protocols follow from this.
_NTU_REPLICATIONS = 2
_NTU_SETUPS = range(1, 18)


def _ntu_video(slot: Slot, camera: int) -> str:
    earlier, number = divmod(slot.repetition, _NTU_REPLICATIONS)
    rest = f"P{slot.subject:03}R{number + 1:03}A{slot.label + 1:03}"
    setup = [setup for setup in _NTU_SETUPS if (setup, rest) not in _ntu_missing()][earlier]
    return f"S{setup:03}C{camera:03}{rest}_rgb.avi"


@cache
def _ntu_missing() -> frozenset[tuple[int, str]]:
    """Setup and remaining name of performances for which some camera has no skeleton."""
    return frozenset((int(name[1:4]), name[8:]) for name in ntu.missing_skeletons())


def _kinect_frame(points: Points) -> Points:
    """A Kinect's y points up."""
    return points * (1.0, -1.0, 1.0)


_HIPS = [SMARTHOME15.keypoints.index(f"{side}_hip") for side in ("left", "right")]


def _about_hips(points: Points) -> Points:
    """LCR-Net does not know how far people are."""
    return points - points[..., _HIPS, :].mean(axis=-2, keepdims=True)


_NTU_AZIMUTHS = {1: 45.0, 2: 90.0, 3: 0.0}
_NTU_OTHERS = tuple(n for n in range(1, 41) if n not in ntu.TRAIN_SUBJECTS)
# The first cameras are those of training, validation and test of cross-view protocols.
_SMARTHOME_AZIMUTHS = {1: 0.0, 5: 45.0, 2: 90.0, 3: -45.0, 4: -90.0, 6: 22.5, 7: -22.5}
_NUCLA_AZIMUTHS = {1: 0.0, 2: 45.0, 3: 90.0}
_NUCLA_LEARNERS = range(1, 10)
_NUCLA_NUMBERS = tuple(nucla.ACTIONS)

_LAYOUTS = {
    "ntu": Layout(
        format=get_format("ntu"),
        classes=ntu.CLASSES,
        subjects=_in_turn(sorted(ntu.TRAIN_SUBJECTS), _NTU_OTHERS),
        learners=frozenset(ntu.TRAIN_SUBJECTS),
        cameras=_NTU_AZIMUTHS,
        repetitions=20,
        faced=lambda repetition: 3 if repetition % _NTU_REPLICATIONS == 0 else 2,
        video=_ntu_video,
        joints=_kinect_frame,
    ),
    "smarthome": Layout(
        format=get_format("smarthome"),
        # Only the classes of the cross-view protocols, so that all protocols can be used.
        classes=smarthome.CROSS_VIEW_CLASSES,
        subjects=_in_turn(
            sorted(smarthome.SUBJECTS["train"]),
            sorted(smarthome.SUBJECTS["test"] | smarthome.SUBJECTS["valid"]),
        ),
        learners=frozenset(smarthome.SUBJECTS["train"]),
        cameras=_SMARTHOME_AZIMUTHS,
        repetitions=100,
        faced=lambda repetition: 1,
        video=lambda slot, camera: (
            f"{smarthome.CROSS_VIEW_CLASSES[slot.label]}"
            f"_p{slot.subject:02}_r00_v{slot.repetition:02}_c{camera:02}.mp4"
        ),
        joints=_about_hips,
    ),
    "nucla": Layout(
        format=get_format("nucla"),
        classes=nucla.CLASSES,
        subjects=_in_turn(_NUCLA_LEARNERS, sorted(nucla.CS_TEST_SUBJECTS)),
        learners=frozenset(_NUCLA_LEARNERS),
        cameras=_NUCLA_AZIMUTHS,
        repetitions=11,
        faced=lambda repetition: 1,
        video=lambda slot, camera: (
            f"a{_NUCLA_NUMBERS[slot.label]:02}"
            f"/v{camera:02}_s{slot.subject:02}_e{slot.repetition:02}.avi"
        ),
        joints=_kinect_frame,
    ),
}
