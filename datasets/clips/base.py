"""A clip, and the interface of an action data set's format: names, labels, splits, poses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float

from datasets.clips.pose_checks import COPY
from datasets.skeletons import Skeleton
from datasets.storage.episode_file import SPLITS

# A damaged file of a few bytes can claim any number of frames. This limit is an hour of video at
# 60 frames a second.
MAX_FRAMES = 216_000

# How a video shorter than a sample is sampled: evenly from its first frame to its last, or at the
# usual distances until it ends, and its last frame from there on, as TimeSformer's code does.
ShortVideos = Literal["spread", "hold"]

# The persons of each frame, (persons, keypoints, 2) in pixels, NaN where a keypoint is missing.
Persons = list[Float[np.ndarray, "persons keypoints 2"]]
# The bodies of each frame in space, (persons, joints, 3), NaN where a joint is missing.
Bodies = list[Float[np.ndarray, "persons joints 3"]]


@dataclass(frozen=True)
class ClipInfo:
    """One labelled video of an action data set.

    Attributes:
        name: Name of the clip in its data set; its video and its skeleton share it.
        video: File of the video.
        skeleton: File or folder of the poses; None where the clip has none.
        label: Index into the classes of the clip set, or of the protocol that selected the clip.
        action: Name of the action.
        subject: Number of the person who acts.
        camera: Number of the camera (Smarthome, NTU) or of the view (N-UCLA).
        format: `ntu`, `smarthome` or `nucla`.
        setup: NTU's setup; 0 elsewhere.
        replication: NTU's replication, Smarthome's recording; 0 elsewhere.
        execution: N-UCLA's execution, Smarthome's video number; 0 elsewhere.
        joints: File of the joints in space; None where the clip has none.
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
    joints: Path | None = None


class ClipFormat(ABC):
    """One action data set's conventions: names of files, labels, protocols, and pose files."""

    name: ClassVar[str]
    title: ClassVar[str]
    skeleton: ClassVar[Skeleton]
    joint_skeleton: ClassVar[Skeleton]
    """The joints of its bodies in space."""
    joints_apart: ClassVar[bool] = False
    """Whether these joints have files of their own, beside the skeleton files."""
    classes: ClassVar[tuple[str, ...]]
    protocols: ClassVar[tuple[str, ...]]
    skeleton_suffixes: ClassVar[tuple[str, ...]]
    """Endings of skeleton files, in order of preference where a clip has several."""
    frames: ClassVar[int]
    """Number of frames that a model takes of a clip (paper appendix B)."""
    stride: ClassVar[int]
    """Step between these frames: 4 takes every 4th frame of the video (paper appendix B)."""

    pose_picture: ClassVar[tuple[int, int] | None] = None
    """Width and height of the picture in whose pixels its poses are; None means the video's."""
    pose_remedy: ClassVar[str] = COPY
    """Where whole poses come from, for messages."""
    farthest: ClassVar[float] = 1e5
    """Largest coordinate that a joint in space can have; a larger one has another unit."""

    furniture: ClassVar[bool] = False
    """Whether its poses hold persons that are furniture, so that the one who moves most acts."""

    @abstractmethod
    def identify(self, video: Path) -> ClipInfo | None:
        """The clip that a video's name describes; None where it is not a clip of this data set.

        The label is -1 where the action is not among the classes. The skeleton is None.
        """

    @abstractmethod
    def skeleton_of(self, path: Path) -> str | None:
        """Name of the clip that a skeleton file or folder belongs to; None for other files."""

    def skeleton_place(self, path: Path) -> Path:
        """The path to read for a file that `skeleton_of` knows: the file itself, or its folder."""
        return path

    def preference(self, skeleton: Path) -> int:
        """Rank of a skeleton file; of a clip's several skeletons, the lowest rank is read."""
        return next(
            i for i, end in enumerate(self.skeleton_suffixes) if skeleton.name.lower().endswith(end)
        )

    def joints_of(self, path: Path) -> str | None:
        """Name of the clip whose joints a file holds, where they lie apart; None for others."""
        return None

    @abstractmethod
    def split(self, clips: Sequence[ClipInfo], protocol: str) -> dict[str, list[ClipInfo]]:
        """The clips of each of `SPLITS` under one of `protocols`, with that protocol's labels."""

    def classes_of(self, protocol: str) -> tuple[str, ...]:
        """The classes that a protocol distinguishes, in the order of its labels."""
        return self.classes

    def outside(self, clip: ClipInfo) -> str:
        """The reason why a clip that `identify` labels -1 is left out."""
        return f"{clip.action} is not among the {len(self.classes)} classes"

    def knows_no_pose(self, name: str) -> bool:
        """Whether the data set's authors list the clip as lacking a usable skeleton."""
        return False

    @abstractmethod
    def read_persons(self, path: Path, video_width: int, trust_pickles: bool) -> Persons:
        """Reads a skeleton file.

        Raises:
            DataError: When the file cannot be read; names it.
        """

    @abstractmethod
    def read_bodies(self, path: Path, trust_pickles: bool) -> Bodies:
        """Reads a file of joints in space.

        Raises:
            DataError: When the file cannot be read, or holds no joints in space; names it.
        """

    @abstractmethod
    def video_name(self, clip: ClipInfo) -> Path:
        """Path of a clip's video, relative to the data set's folder."""

    @abstractmethod
    def skeleton_name(self, clip: ClipInfo) -> Path:
        """Path of a clip's skeleton, relative to the data set's folder."""

    def joints_path(self, skeleton: Path) -> Path | None:
        """Where `write_keypoints` writes joints that lie apart; None where they do not."""
        return None

    @abstractmethod
    def write_keypoints(
        self,
        path: Path,
        keypoints: Float[np.ndarray, "time *persons keypoints 2"],
        video_width: int,
        joints: Float[np.ndarray, "time *persons joints 3"] | None = None,
    ) -> None:
        """Writes the keypoints of one person or several, and where they are known their joints.

        Args:
            path: The skeleton file. Joints that the data set keeps apart go into a file near it.
            keypoints: In pixels of a video of this width; NaN means missing.
            video_width: In pixels.
            joints: In space, as the data set has them; of the same persons. NaN means missing.
        """


def zeros_missing(
    bodies: Float[np.ndarray, "*batch joints 3"],
) -> Float[np.ndarray, "*batch joints 3"]:
    """Joints in space with NaN for those at the origin, as files mark missing ones."""
    return np.where((bodies == 0).all(axis=-1, keepdims=True), np.nan, bodies)


def split_by(
    clips: Sequence[ClipInfo], rule: Callable[[ClipInfo], str | None]
) -> dict[str, list[ClipInfo]]:
    """Sorts clips into splits by a rule; clips for which it returns None are in no split."""
    parts: dict[str, list[ClipInfo]] = {name: [] for name in SPLITS}
    for clip in clips:
        part = rule(clip)
        if part is not None:
            parts[part].append(clip)
    return parts
