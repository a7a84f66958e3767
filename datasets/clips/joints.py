"""Joints in space: of both persons of a clip, for networks that see no pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from datasets.clips.base import ClipInfo
from datasets.clips.persons import choose_persons
from datasets.clips.pose_checks import require_same_length
from datasets.clips.sets import PERSONS, get_format
from datasets.errors import FormatError, MissingDataError
from datasets.video import video_shape


class Joints(NamedTuple):
    """Joints of a clip in space.

    Attributes:
        points: Zero where not valid.
        valid: Whether each joint is known.
    """

    points: Float[np.ndarray, "time persons joints 3"]
    valid: Bool[np.ndarray, "time persons joints"]


def read_joints(clip: ClipInfo, trust_pickles: bool = False) -> Joints:
    """Reads the joints of the two persons who move most, who moves more first.

    NTU has metres of its depth camera, and N-UCLA of its Kinect: x right, y up, z away from the
    camera. Smarthome has what LCR-Net estimates: x right, y down, z away from the camera, about the
    body; its rendered clips have metres about the middle of the hips. The joints are those of the
    format's `joint_skeleton`; `datasets.skeletons.mirror_joints` mirrors them.

    Persons are followed as `datasets.clips.persons.choose_persons` does. One who is seen in less
    than half the frames of the one seen most comes last. N-UCLA has one person.

    Args:
        clip: The clip.
        trust_pickles: Whether NTU's `.skeleton.npy` files, which are pickles, may be loaded.

    Raises:
        MissingDataError: When the clip has no joints in space.
        FormatError: When coordinates are too large for the unit of the data set.
        DataError: When its file cannot be read; names the file.
    """
    if clip.joints is None:
        raise MissingDataError(f"{clip.video} has no file of 3D joints; leave its clip out.")
    fmt = get_format(clip.format)
    bodies = fmt.read_bodies(clip.joints, trust_pickles)
    count = len(fmt.joint_skeleton)
    points = choose_persons(bodies, count, PERSONS, most_motion=True, axes=3)
    valid = np.isfinite(points).all(axis=-1)
    if not valid.any():
        raise MissingDataError(
            f"{clip.joints} has no 3D joints: all are zero or missing. Leave its clip out; a set "
            "that an earlier version rendered has none, so generate it again."
        )
    if (largest := float(np.abs(points[valid]).max())) > fmt.farthest:
        raise FormatError(
            f"{clip.joints} has 3D joints up to {largest:.3g}, where {fmt.title} has up to "
            f"{fmt.farthest:g}: write them in the unit of the data set (metres, not millimetres), "
            "or leave its clip out."
        )
    return Joints(np.where(valid[..., None], points, 0), valid)


def require_beside_video(clip: ClipInfo, joints: Joints) -> None:
    """Checks that joints that lie apart have about as many frames as their video.

    Networks on joints alone need not ask: they see no pixels beside them.

    Raises:
        MismatchError: When the joints are of a longer or shorter video.
    """
    if clip.joints is not None and get_format(clip.format).joints_apart:
        require_same_length(
            len(joints.points), video_shape(clip.video), clip.joints, "train on joints alone"
        )


def joints_to_copy(
    clip: ClipInfo, trust_pickles: bool = False
) -> Float[np.ndarray, "time persons joints 3"] | None:
    """The joints as `ClipFormat.write_keypoints` takes them; None for a clip that has none.

    Raises:
        DataError: When their file cannot be read.
    """
    try:
        points, valid = read_joints(clip, trust_pickles)
    except MissingDataError:
        return None
    return np.where(valid[..., None], points, np.nan)
