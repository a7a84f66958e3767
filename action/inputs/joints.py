"""Joints of clips in space, as networks take them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from action.config import ActionConfig, JointOrigin, JointStream
from action.models.graphs import GRAPHS, SkeletonGraph, bones_of
from action.models.registry import architecture
from action.models.vpn import sample_moments
from datasets.clips.base import ClipFormat, ClipInfo
from datasets.clips.checks import SHOWN
from datasets.clips.joints import Joints, read_joints
from datasets.clips.samples import SampleConfig, sample_indices
from datasets.clips.sets import get_format
from datasets.errors import MissingDataError, counted, shortened
from datasets.skeletons import Skeleton, mirror_joints

logger = logging.getLogger(__name__)

# The joint of VPN's origin, and where a skeleton has none of that name, the centre joint.
_VPN_ORIGIN = "mid_spine"


@dataclass(frozen=True)
class JointSampling:
    """Options of the sampling of joints.

    Attributes:
        frames: Number of frames of a sample.
        stride: Step between them.
        origin: What the joints are measured from, see `JointsConfig`.
        persons: Persons of a sample.
        flip: Probability that training mirrors a sample.
        alone: Whether no pixels are seen beside them.
        moments: Whether they are VPN's 16 moments of the whole clip instead, beside its pixels.
        pictures: Whether MMNet's crops are seen beside them, not frames in a row.
        stream: Whether they are joints, or bones.
        trust_pickles: Whether NTU's `.skeleton.npy` files may be loaded.
    """

    frames: int
    stride: int
    origin: JointOrigin
    persons: int
    flip: float
    alone: bool = True
    moments: bool = False
    pictures: bool = False
    stream: JointStream = "joints"
    trust_pickles: bool = False


class Draw(NamedTuple):
    """How a sample is drawn.

    Attributes:
        rng: Randomness of training; None samples evenly.
        clip: Index of the sample among `num_clips`.
        num_clips: Samples of the clip.
        mirrored: Whether the sample is mirrored, where its pixels decided so.
        start: The first frame of the sample, where its pixels decided so.
    """

    rng: np.random.Generator | None = None
    clip: int = 0
    num_clips: int = 1
    mirrored: bool | None = None
    start: int | None = None


def sees_joints(config: ActionConfig) -> bool:
    """Whether a run's model takes joints in space."""
    return "joints" in architecture(config.model).inputs


def learns_joints(config: ActionConfig) -> bool:
    """Whether a run takes joints in space in training, perhaps for what it learns from."""
    return config.uses_3d or "3D" in architecture(config.model).trained_with


def with_joints(clips: Sequence[ClipInfo], config: ActionConfig) -> tuple[ClipInfo, ...]:
    """The clips that have a file of joints in space.

    Raises:
        MissingDataError: When no clip has one.
    """
    found = tuple(clip for clip in clips if clip.joints is not None)
    if not found:
        wanted = _joints_name(clips[0])
        raise MissingDataError(
            f"none of {counted(len(clips), 'clip')}, such as {clips[0].video}, has a file of 3D "
            f"joints, which --model {config.model} with --method {config.method} takes: put the "
            f"data set's files of joints, named as {wanted.name}, into its folder, or choose a "
            "model and a method that see RGB alone."
        )
    if lacking := [clip.name for clip in clips if clip.joints is None]:
        logger.warning("left out without 3D joints: %s", shortened(lacking, SHOWN))
    return found


def _joints_name(clip: ClipInfo) -> Path:
    """The name of a clip's file of joints in space, as in the data set."""
    fmt = get_format(clip.format)
    skeleton = fmt.skeleton_name(clip)
    return fmt.joints_path(skeleton) or skeleton


def joint_sampling(
    config: ActionConfig, sample: SampleConfig, learning: bool = False
) -> JointSampling | None:
    """How the joints of a run's clips are sampled; None where none are seen.

    Args:
        config: The run's options.
        sample: How its clips are sampled.
        learning: Whether training is meant, where a run may see joints that it then does without.
    """
    if not (learns_joints(config) if learning else sees_joints(config)):
        return None
    alone, own = not config.sees_pixels, config.joints
    return JointSampling(
        frames=sample.frames if alone else own.frames,
        stride=sample.stride if alone else own.stride,
        origin=own.origin,
        persons=own.persons,
        flip=config.batch.flip,
        alone=alone,
        moments=config.model == "vpn",
        pictures=not alone and not config.sees_clips,
        # Beside pixels, what learns bones makes them of joints.
        stream=own.stream if alone else "joints",
        trust_pickles=config.trust_pickles,
    )


def joint_graph(fmt: ClipFormat) -> SkeletonGraph:
    """The graph of a format's joints in space."""
    return GRAPHS[fmt.joint_skeleton.name]


def load_joints(
    clip: ClipInfo, sampling: JointSampling, draw: Draw
) -> Float[Tensor, "3 frames joints persons"]:
    """Reads one sample of a clip's joints; missing joints and persons are zeros.

    A longer clip gives a segment, as pixels are sampled. Zeros follow a shorter one, which is not
    repeated (ST-GCN's recipe).

    Raises:
        DataError: When the clip has no joints, or their file cannot be read.
    """
    both, skeleton = read_joints(clip, sampling.trust_pickles), _skeleton(clip)
    joints = Joints(*(part[:, : sampling.persons] for part in both))
    if sampling.moments:
        points = _moments(joints, skeleton, draw.rng)
    else:
        indices = joint_indices(len(joints.points), sampling.frames, sampling.stride, draw)
        points = np.zeros((sampling.frames, *joints.points.shape[1:]), np.float32)
        chosen = Joints(joints.points[indices], joints.valid[indices])
        moved = about_body(chosen, skeleton) if sampling.origin == "body" else chosen.points
        points[: len(indices)] = moved
    mirrored = draw.mirrored
    if mirrored is None:
        mirrored = draw.rng is not None and draw.rng.random() < sampling.flip
    points = mirror_joints(points, skeleton) if mirrored else points
    tensor = torch.from_numpy(np.ascontiguousarray(points.transpose(3, 0, 2, 1)))
    return bones_of(tensor, GRAPHS[skeleton.name]) if sampling.stream == "bones" else tensor


def joint_indices(count: int, frames: int, stride: int, draw: Draw) -> Int[np.ndarray, " chosen"]:
    """Every `stride`-th frame: of a segment, or of the whole clip where it is shorter.

    Beside pixels, the segment begins where theirs does, or earlier so that it fits.
    """
    if (room := count - 1 - (frames - 1) * stride) >= 0:
        if draw.start is not None:
            return min(draw.start, room) + stride * np.arange(frames)
        return sample_indices(count, frames, stride, draw.rng, draw.clip, draw.num_clips)
    return np.arange(0, count, stride)


def about_body(joints: Joints, skeleton: Skeleton) -> Float[np.ndarray, "frames persons joints 3"]:
    """Joints measured from the first person's centre joint, where it is first known."""
    centre = skeleton.keypoints.index(skeleton.centre)
    known = np.flatnonzero(joints.valid[:, 0, centre])
    if not len(known):
        return joints.points
    origin = joints.points[known[0], 0, centre]
    return np.where(joints.valid[..., None], joints.points - origin, 0)


def _moments(
    joints: Joints, skeleton: Skeleton, rng: np.random.Generator | None
) -> Float[np.ndarray, "16 1 joints 3"]:
    """VPN's moments of the first person, measured from the middle of the spine."""
    names = skeleton.keypoints
    origin = names.index(_VPN_ORIGIN if _VPN_ORIGIN in names else skeleton.centre)
    generator = None
    if rng is not None:
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    points = sample_moments(torch.from_numpy(joints.points[:, 0]), generator, origin)
    return points.numpy()[:, None]


def _skeleton(clip: ClipInfo) -> Skeleton:
    return get_format(clip.format).joint_skeleton
