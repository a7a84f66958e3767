"""Means and spreads that skip missing values, the median run, and differences of methods."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

Item = TypeVar("Item")

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


@dataclass(frozen=True)
class Estimate:
    """A quantity with its uncertainty over runs and test items; arrays over leading axes.

    Attributes:
        value: The quantity.
        error: Its standard error; NaN where there are fewer than two runs or items.
        freedom: Degrees of freedom of the error.
    """

    value: np.ndarray
    error: np.ndarray
    freedom: np.ndarray

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """The ends of the 95 % t-interval."""
        reach = student.ppf((1 + LEVEL) / 2, self.freedom) * self.error
        return self.value - reach, self.value + reach

    def p(self) -> np.ndarray:
        """Two-sided p of no difference, which the interval includes where p is above 0.05."""
        with np.errstate(divide="ignore", invalid="ignore"):
            p = 2 * student.sf(np.abs(self.value / self.error), self.freedom)
        certain = np.where(self.value == 0, 1.0, 0.0)
        return np.where(self.error == 0, certain, p)


def mean_difference(
    ours: Float[np.ndarray, "*batch runs items"], theirs: Float[np.ndarray, "*batch runs items"]
) -> Estimate:
    """Difference of the means of two methods that are measured on the same test items.

    The runs of a method are a sample of all its runs, and the items one of all items. The variance
    is the sum of three: those of the run means of each method and that of the item means of the
    difference, each divided by its number. Its degrees of freedom are Satterthwaite's. Runs are not
    paired, since a seed does not make two methods alike; items are.
    """
    value = ours.mean((-2, -1)) - theirs.mean((-2, -1))
    if min(*ours.shape[-2:], theirs.shape[-2]) < 2:
        return Estimate(value, np.full_like(value, np.nan), np.ones_like(value))
    of_items = ours.mean(-2) - theirs.mean(-2)
    samples = (ours.mean(-1), theirs.mean(-1), of_items)
    parts = [x.var(-1, ddof=1) / x.shape[-1] for x in samples]
    variance = np.sum(parts, axis=0)
    shares = np.sum([p**2 / (x.shape[-1] - 1) for p, x in zip(parts, samples, strict=True)], axis=0)
    freedom = np.divide(variance**2, shares, out=np.ones_like(variance), where=shares > 0)
    return Estimate(value, np.sqrt(variance), freedom)


def log_ratio(
    ours: Float[np.ndarray, "*batch runs items"], theirs: Float[np.ndarray, "*batch runs items"]
) -> Estimate:
    """Logarithm of the ratio of two methods' means; the error by the delta method."""
    one, other = (x / x.mean((-2, -1), keepdims=True) for x in (ours, theirs))
    relative = mean_difference(one, other)
    value = np.log(ours.mean((-2, -1)) / theirs.mean((-2, -1)))
    return Estimate(value, relative.error, relative.freedom)


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, by Holm's method; NaN stays and does not count."""
    known = sorted((p, i) for i, p in enumerate(values) if not math.isnan(p))
    corrected, least = list(values), 0.0
    for rank, (p, i) in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * p))
        corrected[i] = least
    return corrected
