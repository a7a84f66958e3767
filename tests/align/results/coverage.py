"""How often the 95 % interval of a comparison holds the true change, by simulation.

    python -m tests.align.results.coverage

Errors of two methods are drawn as they are measured: episodes differ in difficulty, which both
methods share; seeds of a method differ by a given spread; and the methods differ by a fifth of the
error from episode to episode, partly alike in all seeds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from align.results.statistics import log_ratio

Errors = Float[np.ndarray, "draws seeds episodes"]
Interval = Callable[[Errors, Errors], tuple[np.ndarray, np.ndarray]]

SPREADS = (0.04, 0.08, 0.19)
SIZES = ((3, 5), (3, 50), (5, 50), (10, 50))
# Standard deviation between episodes of the methods' difference, as a share of the error.
_PAIRED = 0.2
_RESAMPLED = 400


def draw(
    rng: np.random.Generator, draws: int, seeds: int, episodes: int, spread: float, ratio: float
) -> tuple[Errors, Errors]:
    """Errors of a method and of the baseline in many comparisons.

    Args:
        rng: Source of the randomness.
        draws: Number of comparisons.
        seeds: Seeds of each method.
        episodes: Test episodes.
        spread: Standard deviation between seeds, as a share of the error.
        ratio: True error of the method over the baseline's.
    """
    difficulty = rng.lognormal(0, 0.3, (draws, 1, 1, episodes))
    of_seeds = rng.lognormal(0, spread, (draws, 2, seeds, 1))
    # Shares of the variance: 0.64 in all seeds of a method alike, 0.36 in each run apart.
    alike = 1 + 0.8 * _PAIRED / 2**0.5 * rng.standard_normal((draws, 2, 1, episodes))
    apart = 1 + 0.6 * _PAIRED / 2**0.5 * rng.standard_normal((draws, 2, seeds, episodes))
    errors = difficulty * of_seeds * alike * apart
    return ratio * errors[:, 0], errors[:, 1]


def by_t(ours: Errors, theirs: Errors) -> tuple[np.ndarray, np.ndarray]:
    """The interval of the tables."""
    return log_ratio(ours, theirs).interval()


def by_bootstrap(ours: Errors, theirs: Errors) -> tuple[np.ndarray, np.ndarray]:
    """The percentile bootstrap over seeds and episodes, as it was used before."""
    rng = np.random.default_rng(0)
    draws, seeds, episodes = ours.shape
    found = np.empty((_RESAMPLED, draws))
    for i in range(_RESAMPLED):
        # Weights instead of copies of the chosen seeds and episodes.
        s = rng.multinomial(seeds, np.full(seeds, 1 / seeds), draws)
        e = rng.multinomial(episodes, np.full(episodes, 1 / episodes), draws)
        means = [np.einsum("dse,ds,de->d", errors, s, e) for errors in (ours, theirs)]
        found[i] = np.log(means[0] / means[1])
    low, high = np.percentile(found, [2.5, 97.5], axis=0)
    return low, high


def coverage(
    interval: Interval, seeds: int, episodes: int, spread: float, ratio: float, draws: int
) -> float:
    """Share of the simulated comparisons whose interval holds the true change."""
    rng = np.random.default_rng([seeds, episodes, round(100 * spread), round(100 * ratio)])
    low, high = interval(*draw(rng, draws, seeds, episodes, spread, ratio))
    return float(np.mean((low <= np.log(ratio)) & (np.log(ratio) <= high)))


def main() -> None:
    """Prints the table of the documentation."""
    print("| seeds × episodes | interval | " + " | ".join(f"{s:.0%}" for s in SPREADS) + " |")
    print("|---|---|" + "---:|" * len(SPREADS))
    for seeds, episodes in SIZES:
        for name, interval, draws in (("t", by_t, 20_000), ("bootstrap", by_bootstrap, 2_000)):
            found = [coverage(interval, seeds, episodes, s, 0.75, draws) for s in SPREADS]
            cells = " | ".join(f"{100 * share:.1f}" for share in found)
            print(f"| {seeds} × {episodes} | {name} | {cells} |")


if __name__ == "__main__":
    main()
