"""Square frames from frames of any ratio, with the keypoints and intrinsics that follow them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from datasets.frames import Frames
from datasets.source import resized
from datasets.storage.episode_file import Episode

FitName = Literal["pad", "squeeze"]
Fit: tuple[FitName, ...] = get_args(FitName)
# Brightest value of a bar, of 255: videos do not keep black exactly.
_BLACK = 16
# Lines beside the edge of a bar that are not judged, since resizing blurs it.
_BLURRED = 2


def squared(episode: Episode, size: int, fit: FitName) -> Episode:
    """The episode with square frames of `size` pixels a side.

    Args:
        episode: An episode with frames of any ratio, in memory.
        size: Height and width of the result in pixels.
        fit: `pad` puts black bars on both sides of the shorter axis, which keeps the ratio of what
            is shown; `squeeze` distorts it.
    """
    return resized(_padded(episode) if fit == "pad" else episode, size)


def bars_of(size: tuple[int, int]) -> tuple[int, int]:
    """Height of the bar above and width of that on the left of padded pictures, in pixels."""
    height, width = size
    return (max(size) - height) // 2, (max(size) - width) // 2


def has_bars(frames: Frames, size: tuple[int, int]) -> bool:
    """Whether frames seem to be pictures of another size that `pad` made square.

    They are square and black where the bars would be, and not beside these, in two of the frames.

    Args:
        frames: The frames of a view.
        size: Height and width that the pictures may have had.
    """
    side = frames.shape[1]
    if frames.shape[2] != side or size[0] == size[1]:
        return False
    seen = np.asarray(frames[np.array([0, len(frames) // 2])]).max(axis=(0, 3))
    lines = seen.max(axis=1 if size[0] < size[1] else 0)
    bar = max(bars_of(size)) * side / max(size)
    outer, inner = math.floor(bar) - _BLURRED, math.ceil(bar) + _BLURRED
    if outer < 1:
        return False
    return bool(
        max(lines[:outer].max(), lines[-outer:].max()) <= _BLACK
        and min(lines[inner], lines[-1 - inner]) > _BLACK
    )


def _padded(episode: Episode) -> Episode:
    bars, shifts = {}, {}
    for view, frames in episode.images.items():
        height, width = frames.shape[1:3]
        side = max(height, width)
        top, left = bars_of((height, width))
        bars[view] = ((0, 0), (top, side - height - top), (left, side - width - left))
        shifts[view] = np.array([left, top])
    return replace(
        episode,
        images={v: np.pad(np.asarray(f), (*bars[v], (0, 0))) for v, f in episode.images.items()},
        # 0 is no surface in depth, and the background in masks.
        depth={v: np.pad(np.asarray(d), bars[v]) for v, d in episode.depth.items()},
        masks={v: np.pad(np.asarray(m), bars[v]) for v, m in episode.masks.items()},
        keypoints={v: (p + shifts[v]).astype(np.float32) for v, p in episode.keypoints.items()},
        intrinsics={v: _moved(k, shifts[v]) for v, k in episode.intrinsics.items()},
    )


def _moved(intrinsics: np.ndarray, shift: np.ndarray) -> np.ndarray:
    moved = np.array(intrinsics, np.float64)
    moved[:2, 2] += shift
    return moved
