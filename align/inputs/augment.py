"""Light augmentation, with one draw for all frames of a view of an episode.

With a draw per frame, the frames of a view would differ by their augmentation; with one per view,
time stays the only thing that changes.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as TF

from align.inputs.sampling import AugmentConfig


def augment_view(
    frames: UInt8[Tensor, "time 3 height width"],
    keypoints: Float[np.ndarray, "time keypoints 2"],
    size: int,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> tuple[UInt8[Tensor, "time 3 size size"], Float[np.ndarray, "time keypoints 2"]]:
    """Crops, recolours and resizes the frames of one view; the keypoints move with the pixels.

    Args:
        frames: RGB.
        keypoints: Pixels of `frames`, x right, y down.
        size: Height and width of the result, in pixels.
        config: Ranges; with all of them 0 the frames are only resized.
        rng: Source of the randomness.
    """
    height, width = frames.shape[-2:]
    kept = 1 - config.crop * rng.random()
    crop_height, crop_width = round(kept * height), round(kept * width)
    top = int(rng.integers(0, height - crop_height + 1))
    left = int(rng.integers(0, width - crop_width + 1))
    frames = frames[..., top : top + crop_height, left : left + crop_width]
    frames = resize_frames(frames, size)
    scale = np.array([size / crop_width, size / crop_height], dtype=np.float32)
    keypoints = (keypoints - np.array([left, top], dtype=np.float32)) * scale
    for adjust, strength in (
        (TF.adjust_brightness, config.brightness),
        (TF.adjust_contrast, config.contrast),
        (TF.adjust_saturation, config.saturation),
    ):
        factor = 1 + strength * (2 * rng.random() - 1)
        if strength > 0:
            frames = adjust(frames, factor)
    return frames, keypoints


def resize_frames(
    frames: UInt8[Tensor, "*batch 3 height width"], size: int
) -> UInt8[Tensor, "*batch 3 size size"]:
    """Resize, bicubic and antialiased as in the published recipe; a no-op at the right size."""
    if tuple(frames.shape[-2:]) == (size, size):
        return frames
    return TF.resize(frames, [size, size], InterpolationMode.BICUBIC, antialias=True)


def stack_channels(
    frames: UInt8[Tensor, "frames_of_all 3 height width"], count: int
) -> UInt8[Tensor, "time channels height width"]:
    """The channels of each moment's `count` frames one after the other, as one image."""
    return rearrange(frames, "(t f) c h w -> t (f c) h w", f=count)


def frames_to_tensor(
    frames: UInt8[np.ndarray, "time height width 3"],
) -> UInt8[Tensor, "time 3 height width"]:
    """Channels first, as torch expects images."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2)


def small_frames(
    frames: Iterable[UInt8[np.ndarray, "height width 3"]], size: int
) -> UInt8[np.ndarray, "time size size 3"]:
    """Frames squeezed to squares, as runs see them; whole ones are held one at a time."""
    small = [
        resize_frames(frames_to_tensor(frame[None]), size).permute(0, 2, 3, 1).numpy()[0]
        for frame in frames
    ]
    return np.stack(small) if small else np.empty((0, size, size, 3), np.uint8)
