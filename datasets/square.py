"""Square frames from frames of any ratio, with the keypoints and intrinsics that follow them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from datasets.source import resized
from datasets.storage.episode_file import Episode

FitName = Literal["pad", "squeeze"]
Fit: tuple[FitName, ...] = get_args(FitName)


def squared(episode: Episode, size: int, fit: FitName) -> Episode:
    """The episode with square frames of `size` pixels a side.

    Args:
        episode: An episode with frames of any ratio, in memory.
        size: Height and width of the result in pixels.
        fit: `pad` puts black bars on both sides of the shorter axis, which keeps the ratio of what
            is shown; `squeeze` distorts it.
    """
    return resized(_padded(episode) if fit == "pad" else episode, size)


def _padded(episode: Episode) -> Episode:
    images, shifts = {}, {}
    for view, frames in episode.images.items():
        height, width = frames.shape[1:3]
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        bars = ((0, 0), (top, side - height - top), (left, side - width - left), (0, 0))
        images[view] = np.pad(np.asarray(frames), bars)
        shifts[view] = np.array([left, top])
    return replace(
        episode,
        images=images,
        keypoints={v: (p + shifts[v]).astype(np.float32) for v, p in episode.keypoints.items()},
        intrinsics={v: _moved(k, shifts[v]) for v, k in episode.intrinsics.items()},
    )


def _moved(intrinsics: np.ndarray, shift: np.ndarray) -> np.ndarray:
    moved = np.array(intrinsics, np.float64)
    moved[:2, 2] += shift
    return moved
