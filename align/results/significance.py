"""Whether two methods differ by more than chance, paired over test episodes and seeds.

Both methods are measured on the same test episodes with the same seeds, so each (seed, episode)
gives one difference of their alignment errors, each the mean over all pairs of views. Two answers:

- p of the two-sided Wilcoxon signed-rank test over these differences. It takes them as
  independent, which differences that share an episode or a seed are not quite: read it as a lower
  bound.
- a 95 % interval of the relative change, by a paired bootstrap that draws seeds and episodes anew,
  each as a whole, so that what they share counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import wilcoxon

from align.results.evaluation import Evaluation

METRIC = "alignment_error"
BOOTSTRAP_DRAWS = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class PairedTest:
    """A method against the baseline.

    Attributes:
        seeds: That both have.
        episodes: Of each seed.
        change: Of the mean alignment error over these, in percent, negative is better.
        low: Lower end of the change's 95 % interval.
        high: Its upper end.
        p: Two-sided; 1 where the two never differ.
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
        baseline: One evaluation a seed.
        method: One evaluation a seed, of the same episodes and pairs of views.
        rng: Draws the bootstrap.

    Returns:
        The test; None without a common seed.
    """
    ours, theirs = ({e.seed: e for e in evaluations} for evaluations in (method, baseline))
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        return None
    a = np.array([_episode_errors(ours[seed]) for seed in common])
    b = np.array([_episode_errors(theirs[seed]) for seed in common])
    low, high = _bootstrap(a, b, rng)
    equal = np.array_equal(a, b)
    p = 1.0 if equal else float(wilcoxon(a.ravel(), b.ravel(), zero_method="zsplit").pvalue)
    change = float(_change(a.mean(), b.mean()))
    return PairedTest(len(common), a.shape[1], change, low, high, p)


def _episode_errors(evaluation: Evaluation) -> list[float]:
    """Mean error over the pairs of views of each episode, episodes by name."""
    found: dict[str, list[float]] = {}
    for pair in evaluation.pairs:
        found.setdefault(pair.episode, []).append(pair.metrics[METRIC])
    return [float(np.mean(found[name])) for name in sorted(found)]


def _bootstrap(
    ours: Float[np.ndarray, "seeds episodes"],
    theirs: Float[np.ndarray, "seeds episodes"],
    rng: np.random.Generator,
) -> tuple[float, float]:
    seeds, episodes = ours.shape
    i = rng.integers(0, seeds, (BOOTSTRAP_DRAWS, seeds))[:, :, None]
    j = rng.integers(0, episodes, (BOOTSTRAP_DRAWS, episodes))[:, None, :]
    changes = _change(ours[i, j].mean(axis=(1, 2)), theirs[i, j].mean(axis=(1, 2)))
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(changes, [tail, 100 - tail])
    return float(low), float(high)


def _change(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    # A baseline without any error leaves nothing to be relative to.
    return 100 * (np.divide(ours, theirs, out=np.full_like(ours, np.nan), where=theirs > 0) - 1)
