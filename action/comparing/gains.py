"""The difference of a recogniser to the baseline, over the seeds and the test clips of both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from action.evaluation import ActionEvaluation
from align.results.processors import Ran, common_seeds
from align.results.statistics import mean_difference
from align.results.text import NO_VALUE


@dataclass(frozen=True)
class Gain:
    """Difference of a metric to the baseline's, in points, with its 95 % interval.

    With one seed the interval is NaN.
    """

    points: float
    low: float
    high: float

    @property
    def in_points(self) -> str:
        """`+3.1 points [1.0, 5.2]`, or `+3.1 points with one seed`, which has no interval."""
        return f"{self._signed} points " + (self._ends or "with one seed")

    def __str__(self) -> str:
        """`+3.1 [1.0, 5.2]`; a dash stands for the interval of one seed."""
        return f"{self._signed} {self._ends or f'[{NO_VALUE}]'}"

    @property
    def _signed(self) -> str:
        return f"{self.points:+.1f}".replace("-", "−")

    @property
    def _ends(self) -> str:
        if math.isnan(self.low):
            return ""
        return f"[{self.low:.1f}, {self.high:.1f}]".replace("-", "−")


def gain(
    baseline: Sequence[ActionEvaluation],
    method: Sequence[ActionEvaluation],
    metric: str = "top1",
) -> Gain | None:
    """Difference of a method's metric to the baseline's, over the seeds that both have.

    Seeds whose two runs were trained or measured on other processors are named and left out.

    Args:
        baseline: Evaluations of the baseline, one for each seed.
        method: Evaluations of the method, on the same clips.
        metric: `top1` or `mean_class_accuracy`.

    Returns:
        The difference; None without a common seed that ran on one processor.
    """
    theirs, ours = ({e.seed: e for e in group} for group in (baseline, method))
    seeds = common_seeds(_ran(ours), _ran(theirs))
    if not seeds:
        return None
    own, others = (
        np.stack([_scores(group[seed], metric) for seed in seeds]) for group in (ours, theirs)
    )
    found = mean_difference(100 * own, 100 * others)
    low, high = found.interval()
    return Gain(float(found.value), float(low), float(high))


def _ran(evaluations: Mapping[int, ActionEvaluation]) -> dict[int, Ran]:
    return {s: Ran(e.run, e.processors, e.processor) for s, e in evaluations.items()}


def _scores(evaluation: ActionEvaluation, metric: str) -> Float[np.ndarray, " clips"]:
    """The share of each clip in a metric, sorted by name; their mean is the metric."""
    clips = sorted(evaluation.clips.items())
    correct = np.array([float(true == guess) for _, (true, guess) in clips])
    if metric == "top1":
        return correct
    # Every class weighs the same, however many clips it has.
    _, of_class, counts = np.unique(
        [true for _, (true, _) in clips], return_inverse=True, return_counts=True
    )
    return correct * len(clips) / (len(counts) * counts[of_class])
