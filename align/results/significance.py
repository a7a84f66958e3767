"""Whether two methods differ by more than chance, paired over test episodes and seeds.

Both methods are measured on the same test episodes with the same seeds, so each (seed, episode)
gives one difference of their alignment errors, each the mean over all pairs of views. Two answers:

- p of the two-sided Wilcoxon signed-rank test over these differences. The test assumes that they
  are independent, but differences of the same episode or seed are correlated: read p as a lower
  bound.
- a 95 % interval of the relative change, by a paired bootstrap that resamples seeds and episodes,
  each as a whole, so that it reflects these correlations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import wilcoxon

from align.results.evaluation import Evaluation
from align.results.statistics import bootstrap_interval

METRIC = "alignment_error"


@dataclass(frozen=True)
class PairedTest:
    """A method against the baseline.

    Attributes:
        seeds: Number of seeds that both have.
        episodes: Number of test episodes of each seed.
        change: Change of the mean alignment error, in percent; negative is better.
        low: Lower end of the change's 95 % interval.
        high: Upper end of the change's 95 % interval.
        p: Two-sided p; 1 where the two never differ.
    """

    seeds: int
    episodes: int
    change: float
    low: float
    high: float
    p: float


def paired_test(
    baseline: Sequence[Evaluation], method: Sequence[Evaluation], rng: np.random.Generator
) -> PairedTest | None:
    """Compares a method with the baseline over the seeds that both have.

    Args:
        baseline: One evaluation for each seed.
        method: One evaluation for each seed, on the same episodes and pairs of views.
        rng: Source of the bootstrap's resampling.

    Returns:
        The test; None without a common seed.
    """
    ours, theirs = ({e.seed: e for e in evaluations} for evaluations in (method, baseline))
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        return None
    a = np.array([_episode_errors(ours[seed]) for seed in common])
    b = np.array([_episode_errors(theirs[seed]) for seed in common])
    low, high = bootstrap_interval(_change, a, b, rng=rng)
    equal = np.array_equal(a, b)
    p = 1.0 if equal else float(wilcoxon(a.ravel(), b.ravel(), zero_method="zsplit").pvalue)
    change = float(_change(a.mean(), b.mean()))
    return PairedTest(len(common), a.shape[1], change, low, high, p)


def _episode_errors(evaluation: Evaluation) -> list[float]:
    """Mean error over the pairs of views of each episode, episodes sorted by name."""
    found: dict[str, list[float]] = {}
    for pair in evaluation.pairs:
        found.setdefault(pair.episode, []).append(pair.metrics[METRIC])
    return [float(np.mean(found[name])) for name in sorted(found)]


def _change(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    # A relative change against a baseline without any error is not defined.
    return 100 * (np.divide(ours, theirs, out=np.full_like(ours, np.nan), where=theirs > 0) - 1)
