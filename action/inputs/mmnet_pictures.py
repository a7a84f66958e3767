"""MMNet's picture of a clip, cut out round the keypoints of whoever acts."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from action.inputs.joints import Draw
from action.models.mmnet_roi import moments, normalised, resized, roi_picture, with_people
from datasets.clips.base import ClipInfo
from datasets.clips.samples import SampleConfig, keypoints_at
from datasets.clips.sets import get_format, read_persons
from datasets.skeletons import COCO18, Skeleton
from datasets.video import read_frames, video_shape

# The side of a crop as a share of the picture's height: 96 pixels of NTU's 1080, 48 of N-UCLA's
# 480. Nothing is published for Smarthome, whose videos are as high as N-UCLA's.
_SIDES = {"ntu": 96 / 1080, "nucla": 48 / 480, "smarthome": 48 / 480}
# How far hands and feet are moved down: 15 of N-UCLA's pixels.
_BELOW = {"nucla": 15 / 480}
# Other names of the keypoints that are cut out.
_OTHER_NAMES = {"nose": "head"}


def load_picture(clip: ClipInfo, config: SampleConfig, draw: Draw) -> Float[Tensor, "3 225 225"]:
    """Crops of five moments of a clip, normalised; a crop of a missing keypoint is black.

    Args:
        clip: The clip.
        config: How many persons are cut out, and whether pickles are trusted.
        draw: Randomness of the moments, and whether the picture is mirrored.

    Raises:
        DataError: When the video or the keypoints cannot be read.
    """
    shape = video_shape(clip.video)
    persons = read_persons(clip, config.trust_pickles)[:, : config.persons]
    seen = np.isfinite(persons).all(axis=-1).any(axis=-1)
    acting = [p for p in range(persons.shape[1]) if p == 0 or seen[:, p].any()]
    frames = with_people(moments(shape.frames, draw.rng), seen.any(axis=1)[: shape.frames])
    side = max(2, round(_SIDES[clip.format] * shape.height))
    points = as_openpose(keypoints_at(persons[:, acting], frames), get_format(clip.format).skeleton)
    picture = roi_picture(
        read_frames(clip.video, frames),
        # Beyond the picture, where all is black.
        np.nan_to_num(points, nan=-2.0 * side),
        side,
        _BELOW.get(clip.format, 0.0) * shape.height,
        bool(draw.mirrored),
    )
    return torch.from_numpy(normalised(resized(picture)))


def as_openpose(
    keypoints: Float[np.ndarray, "time persons keypoints 2"], skeleton: Skeleton
) -> Float[np.ndarray, "persons time 18 2"]:
    """Keypoints in OpenPose's order, by their names; NaN for those that a skeleton lacks."""
    found = np.full((*keypoints.shape[:2], len(COCO18), 2), np.nan, np.float32)
    for place, name in enumerate(COCO18.keypoints):
        names = [n for n in (name, _OTHER_NAMES.get(name)) if n in skeleton.keypoints]
        if names:
            found[:, :, place] = keypoints[:, :, skeleton.keypoints.index(names[0])]
    return found.swapaxes(0, 1)
