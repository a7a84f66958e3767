"""The statistics by which LeRobot normalizes features, exact, of one episode or of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int64, UInt8

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
Stats = dict[str, list[Any]]


def vector_stats(values: Float[np.ndarray, "time dim"]) -> Stats:
    """Statistics of each component over time, without NaN values.

    A component that is always NaN gets zeros, since JSON has no NaN.
    """
    known = values.astype(np.float64)
    known[:, np.isnan(known).all(axis=0)] = 0.0
    found = {
        "min": np.nanmin(known, axis=0),
        "max": np.nanmax(known, axis=0),
        "mean": np.nanmean(known, axis=0),
        "std": np.nanstd(known, axis=0),
    }
    found |= {name: np.nanquantile(known, share, axis=0) for name, share in QUANTILES.items()}
    return {name: value.tolist() for name, value in found.items()} | {"count": [len(values)]}


def vectors_stats(columns: Mapping[str, Float[np.ndarray, "time dim"]]) -> dict[str, Stats]:
    """The `vector_stats` of each column.

    LeRobot takes a feature with "image" in its name for pictures, and refuses other statistics of
    it when it joins those of several episodes. So `keypoints.image` gets none.
    """
    return {name: vector_stats(v) for name, v in columns.items() if "image" not in name}


def colour_histogram(frames: UInt8[np.ndarray, "*shape 3"]) -> Int64[np.ndarray, "3 256"]:
    """Number of pixels of one or more frames that have each value, channel by channel."""
    return np.stack([np.bincount(frames[..., c].ravel(), minlength=256) for c in range(3)])


def image_stats(
    histogram: Int64[np.ndarray, "channels levels"], frames: int, scale: float = 255
) -> Stats:
    """Statistics of the pixels in a histogram, divided by `scale`, of shape (channels, 1, 1).

    Args:
        histogram: Sum of the `colour_histogram` of one or more episodes, or of their depths.
        frames: Number of frames in the histogram.
        scale: The value that counts as 1; of colours their largest.
    """
    levels = np.arange(histogram.shape[1]) / scale
    totals = histogram.sum(axis=1)
    mean = histogram @ levels / totals
    cumulative = np.cumsum(histogram, axis=1) / totals[:, None]
    seen = histogram > 0
    found = {
        "min": levels[seen.argmax(axis=1)],
        "max": levels[len(levels) - 1 - seen[:, ::-1].argmax(axis=1)],
        "mean": mean,
        # Rounding can make the variance of one colour slightly negative.
        "std": np.sqrt(np.maximum(histogram @ levels**2 / totals - mean**2, 0)),
    }
    found |= {
        name: levels[(cumulative >= share).argmax(axis=1)] for name, share in QUANTILES.items()
    }
    shaped = {name: value[:, None, None].tolist() for name, value in found.items()}
    return shaped | {"count": [frames]}


def flatten(stats: Mapping[str, Stats]) -> dict[str, list[Any]]:
    """The statistics as columns `stats/FEATURE/NAME` of LeRobot's list of episodes."""
    return {
        f"stats/{feature}/{name}": value
        for feature, of_feature in stats.items()
        for name, value in of_feature.items()
    }
