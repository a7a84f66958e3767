"""Means and spreads that skip missing values, the median run, and the bootstrap over runs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

Item = TypeVar("Item")

BOOTSTRAP_DRAWS = 2000
LEVEL = 0.95


def mean(values: Iterable[float]) -> float:
    """Mean of the values that are not NaN (Kendall's τ-b is NaN where all tie); NaN of none."""
    known = _known(values)
    return statistics.fmean(known) if known else math.nan


def std(values: Iterable[float]) -> float:
    """Sample standard deviation of the values that are not NaN; NaN of fewer than two."""
    known = _known(values)
    return statistics.stdev(known) if len(known) > 1 else math.nan


def _known(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def lower_median(items: Sequence[Item], key: Callable[[Item], Any]) -> Item:
    """The item in the middle when sorted by `key`; the lower one of two."""
    return sorted(items, key=key)[(len(items) - 1) // 2]


def bootstrap_interval(
    statistic: Callable[..., np.ndarray | float],
    *samples: Float[np.ndarray, "runs items"],
    rng: np.random.Generator,
) -> tuple[float, float]:
    """95 % interval of a statistic, by a paired bootstrap over runs and over test items.

    Runs and items are each resampled as a whole, so that the interval reflects what the values of
    one run, or of one item, have in common.

    Args:
        statistic: Called with the means of the resampled values, one array over draws for each
            sample.
        samples: The compared values, alike in runs and items; all are resampled alike.
        rng: Source of the resampling.

    Returns:
        The ends of the interval.
    """
    runs, items = samples[0].shape
    chosen_runs = rng.integers(0, runs, (BOOTSTRAP_DRAWS, runs))
    means = np.empty((len(samples), BOOTSTRAP_DRAWS))
    for draw in range(BOOTSTRAP_DRAWS):
        # Items draw by draw: indices of all draws of a large test set would not fit into memory.
        chosen = np.ix_(chosen_runs[draw], rng.integers(0, items, items))
        means[:, draw] = [values[chosen].mean() for values in samples]
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(statistic(*means), [tail, 100 - tail])
    return float(low), float(high)
