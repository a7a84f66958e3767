"""Samples of a run's clips as tensors: random ones to train on, and fixed ones to measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from action.inputs.joints import Draw, JointSampling, load_joints
from action.inputs.mmnet_pictures import load_picture
from align.engine.loading import order_of_pass
from datasets.clips.base import ClipInfo
from datasets.clips.checked import remember_break
from datasets.clips.samples import ClipSample, SampleConfig, load_sample
from datasets.errors import DataError


class TrainingClips(Dataset[dict[str, Any]]):
    """Random samples of clips; item i is drawn from (seed, i) alone.

    Item i belongs to pass i // len(clips) over the clips, which is in an order of its own.
    """

    def __init__(
        self,
        clips: Sequence[ClipInfo],
        config: SampleConfig,
        length: int,
        seed: int,
        joints: JointSampling | None = None,
    ) -> None:
        """Prepares `length` items, with joints where a model sees them."""
        self.clips, self.config, self.length, self.seed = clips, config, length, seed
        self.joints = joints

    def __len__(self) -> int:
        """Number of items."""
        return self.length

    def clip_of(self, item: int) -> ClipInfo:
        """The clip that an item is drawn from."""
        passes, place = divmod(item, len(self.clips))
        return self.clips[int(order_of_pass(len(self.clips), self.seed, passes)[place])]

    def __getitem__(self, item: int) -> dict[str, Any]:
        """Draws one sample, see `load_tensors`."""
        draw = Draw(np.random.default_rng([1, self.seed, item]))
        return load_tensors(self.clip_of(item), self.config, self.joints, draw)


class TestingClips(Dataset[dict[str, Any]]):
    """Every clip in `num_clips` samples, spread over its time; the same every time."""

    def __init__(
        self,
        clips: Sequence[ClipInfo],
        config: SampleConfig,
        num_clips: int = 1,
        joints: JointSampling | None = None,
    ) -> None:
        """Prepares the samples, those of one clip beside each other."""
        self.clips, self.config, self.num_clips = clips, config, num_clips
        self.joints = joints

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.clips) * self.num_clips

    def __getitem__(self, item: int) -> dict[str, Any]:
        """One sample, see `load_tensors`."""
        clip, index = divmod(item, self.num_clips)
        draw = Draw(None, index, self.num_clips)
        return load_tensors(self.clips[clip], self.config, self.joints, draw)


def load_tensors(
    clip: ClipInfo, config: SampleConfig, joints: JointSampling | None, draw: Draw
) -> dict[str, Any]:
    """One sample of a clip as a model takes it.

    Args:
        clip: The clip.
        config: How pixels are sampled.
        joints: How joints are sampled; None where none are seen.
        draw: What the sample is drawn by.

    Returns:
        Those of `to_tensors` where the model sees frames, `pictures` (3, 225, 225) where it is
        MMNet, `joints` (3, T, J, persons) where joints are seen, and `label`.

    Raises:
        DataError: When the clip cannot be read, or lacks joints that are seen. The next start
            finds it among the bad clips.
    """
    try:
        return _load_tensors(clip, config, joints, draw)
    except DataError:
        remember_break(clip)
        raise


def _load_tensors(
    clip: ClipInfo, config: SampleConfig, joints: JointSampling | None, draw: Draw
) -> dict[str, Any]:
    if joints is None or not (joints.alone or joints.pictures):
        sample = load_sample(clip, config, draw.rng, draw.clip, draw.num_clips)
        draw = draw._replace(mirrored=sample.mirrored, start=int(sample.indices[0]))
        tensors = to_tensors(sample)
    else:
        tensors = {"label": clip.label}
    if joints is not None and joints.pictures:
        draw = draw._replace(mirrored=draw.rng is not None and draw.rng.random() < config.flip)
        tensors["pictures"] = load_picture(clip, config, draw)
    if joints is not None:
        tensors["joints"] = load_joints(clip, joints, draw)
    return tensors


def to_tensors(sample: ClipSample) -> dict[str, Any]:
    """A sample as the model takes it.

    Returns:
        `frames` (3, T, size, size) uint8, `keypoints` (T, K, 2) float32 pixels of the frames,
        `visible` (T, K) bool, and `label`. Of two persons, keypoints are (T, 2, K, 2).
    """
    return {
        "frames": torch.from_numpy(sample.frames).permute(3, 0, 1, 2).contiguous(),
        "keypoints": torch.from_numpy(sample.keypoints),
        "visible": torch.from_numpy(sample.visible),
        "label": sample.label,
    }
