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


def colour_histogram(frames: UInt8[np.ndarray, "*shape 3"]) -> Int64[np.ndarray, "3 256"]:
    """Number of pixels of one or more frames that have each value, channel by channel."""
    return np.stack([np.bincount(frames[..., c].ravel(), minlength=256) for c in range(3)])


def image_stats(histogram: Int64[np.ndarray, "3 256"], frames: int) -> Stats:
    """Statistics of the pixels in a histogram, scaled to [0, 1], of shape (3, 1, 1).

    Args:
        histogram: Sum of the `colour_histogram` of one or more episodes.
        frames: Number of frames in the histogram.
    """
    levels = np.arange(256) / 255
    totals = histogram.sum(axis=1)
    mean = histogram @ levels / totals
    cumulative = np.cumsum(histogram, axis=1) / totals[:, None]
    seen = histogram > 0
    found = {
        "min": levels[seen.argmax(axis=1)],
        "max": levels[255 - seen[:, ::-1].argmax(axis=1)],
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
