"""What a clip is, and what each action data set says about its files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from datasets.skeletons import Skeleton

SPLITS = ("train", "valid", "test")
# What a file of a few bytes can claim to hold: an hour of video at 60 frames a second.
MAX_FRAMES = 216_000

# The persons of each frame, (persons, keypoints, 2) in pixels, NaN where a keypoint is missing.
Persons = list[Float[np.ndarray, "persons keypoints 2"]]


@dataclass(frozen=True)
class ClipInfo:
    """One labelled video of an action data set.

    Attributes:
        name: The clip's name in its data set, the same for its video and its skeleton.
        video: The video's file.
        skeleton: The file or folder with its poses, None where the clip has none.
        label: Index into the classes of the clip set, or of the protocol that the clip comes from.
        action: Name of the action.
        subject: Number of the person who acts.
        camera: Number of the camera (Smarthome, NTU) or of the view (N-UCLA).
        format: `ntu`, `smarthome` or `nucla`.
        setup: NTU's setup; 0 elsewhere.
        replication: NTU's replication, Smarthome's recording; 0 elsewhere.
        execution: N-UCLA's execution, Smarthome's video number; 0 elsewhere.
    """

    name: str
    video: Path
    skeleton: Path | None
    label: int
    action: str
    subject: int
    camera: int
    format: str
    setup: int = 0
    replication: int = 0
    execution: int = 0


class ClipFormat(ABC):
    """How one action data set names its files, labels and splits its clips, and writes poses."""

    name: ClassVar[str]
    title: ClassVar[str]
    skeleton: ClassVar[Skeleton]
    classes: ClassVar[tuple[str, ...]]
    protocols: ClassVar[tuple[str, ...]]
    skeleton_suffixes: ClassVar[tuple[str, ...]]
    """How skeleton files end; of several for one clip, the first in this order is read."""
    frames: ClassVar[int]
    """Frames that a model sees of a clip (paper appendix B)."""
    stride: ClassVar[int]
    """Every which frame of the video that is (paper appendix B)."""

    @abstractmethod
    def identify(self, video: Path) -> ClipInfo | None:
        """What the name of a video says, None where it is no clip of this data set.

        The label is -1 where the action is not among the classes; the skeleton is None.
        """

    @abstractmethod
    def skeleton_of(self, path: Path) -> str | None:
        """Name of the clip that a skeleton file or folder belongs to, None where it is none."""

    def skeleton_place(self, path: Path) -> Path:
        """What to read for a file that `skeleton_of` knows: itself, or the folder it is in."""
        return path

    def preference(self, skeleton: Path) -> int:
        """Which of several skeletons of one clip is read: the one with the lowest number."""
        return next(
            i for i, end in enumerate(self.skeleton_suffixes) if skeleton.name.endswith(end)
        )

    @abstractmethod
    def split(self, clips: Sequence[ClipInfo], protocol: str) -> dict[str, list[ClipInfo]]:
        """The clips of each of `SPLITS` under one of `protocols`, with that protocol's labels."""

    def classes_of(self, protocol: str) -> tuple[str, ...]:
        """The classes that a protocol tells apart, in the order of its labels."""
        return self.classes

    def outside(self, clip: ClipInfo) -> str:
        """Why a clip that `identify` labels -1 is left out."""
        return f"{clip.action} is not among the {len(self.classes)} classes"

    def knows_no_pose(self, name: str) -> bool:
        """Whether the data set's authors list the clip as one without a usable skeleton."""
        return False

    @abstractmethod
    def read_persons(self, path: Path, video_width: int, trust_pickles: bool) -> Persons:
        """Reads a skeleton file.

        Raises:
            DataError: Naming the file, where it cannot be read.
        """

    @abstractmethod
    def video_name(self, clip: ClipInfo) -> Path:
        """Where a clip's video lies in a folder of this data set."""

    @abstractmethod
    def skeleton_name(self, clip: ClipInfo) -> Path:
        """Where a clip's skeleton lies in a folder of this data set."""

    @abstractmethod
    def write_keypoints(
        self, path: Path, keypoints: Float[np.ndarray, "time keypoints 2"], video_width: int
    ) -> None:
        """Writes one person's keypoints, in pixels of a video of this width; NaN is missing."""


def split_by(
    clips: Sequence[ClipInfo], rule: Callable[[ClipInfo], str | None]
) -> dict[str, list[ClipInfo]]:
    """Sorts clips into splits; those for which the rule gives None are in none."""
    parts: dict[str, list[ClipInfo]] = {name: [] for name in SPLITS}
    for clip in clips:
        part = rule(clip)
        if part is not None:
            parts[part].append(clip)
    return parts
