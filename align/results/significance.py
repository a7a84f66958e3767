"""Whether two methods differ by more than chance, over seeds and test episodes.

Both methods are measured on the same test episodes. Their alignment errors, each the mean over
pairs of views, give the relative change with its 95 % interval and a p (`log_ratio`). Both are over
the seeds and the test episodes at once: they say what other seeds and other episodes of the same
kind would give. The interval covers the true change in 94 to 97 % of simulated comparisons of 3 to
10 seeds on 5 to 50 episodes (tests/align/results/coverage.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from align.metrics.alignment import EGO_ERROR, THIRD_ERROR, PairResult
from align.results.evaluation import Evaluation
from align.results.processors import Ran, common_seeds
from align.results.statistics import holm, log_ratio
from datasets.storage.episode_file import EGO

METRIC = "alignment_error"
# Kinds of pairs of views by the names of their errors.
KINDS = (METRIC, EGO_ERROR, THIRD_ERROR)


@dataclass(frozen=True)
class PairedTest:
    """A method against the baseline.

    Attributes:
        seeds: Number of seeds that both have.
        episodes: Number of test episodes of each seed.
        change: Change of the mean alignment error, in percent; negative is better.
        low: Lower end of the change's 95 % interval; NaN with one seed or one episode.
        high: Upper end of the change's 95 % interval.
        p: Two-sided p; NaN with one seed or one episode.
    """

    seeds: int
    episodes: int
    change: float
    low: float
    high: float
    p: float


def paired_tests(
    baseline: Sequence[Evaluation], method: Sequence[Evaluation]
) -> dict[str, PairedTest | None]:
    """Compares a method with the baseline over the seeds that both have.

    Args:
        baseline: One evaluation for each seed.
        method: One evaluation for each seed, on the same episodes and pairs of views.

    Returns:
        The test of each of KINDS; None without a common seed that ran on one processor, or without
        such pairs of views.
    """
    ours, theirs = ({e.seed: e for e in evaluations} for evaluations in (method, baseline))
    seeds = common_seeds(_ran(ours), _ran(theirs))
    runs = [(ours[seed], theirs[seed]) for seed in seeds]
    return {kind: _paired_test(runs, kind) for kind in KINDS}


def _paired_test(runs: Sequence[tuple[Evaluation, Evaluation]], kind: str) -> PairedTest | None:
    a, b = (np.array([[*episode_errors(run[i], kind).values()] for run in runs]) for i in (0, 1))
    if not a.size:
        return None
    if not a.mean() or not b.mean():
        # A ratio with an error of 0 has no logarithm, so no interval.
        change = -100.0 if b.mean() else float("nan")
        return PairedTest(len(runs), a.shape[1], change, *3 * (float("nan"),))
    found = log_ratio(a, b)
    change, low, high = (float(100 * np.expm1(end)) for end in (found.value, *found.interval()))
    return PairedTest(len(runs), a.shape[1], change, low, high, float(found.p()))


def corrected(tests: Sequence[PairedTest | None]) -> list[PairedTest | None]:
    """The tests of one table with p corrected for the number of methods (Holm)."""
    values = iter(holm([test.p for test in tests if test is not None]))
    return [None if test is None else replace(test, p=next(values)) for test in tests]


def _ran(evaluations: Mapping[int, Evaluation]) -> dict[int, Ran]:
    return {s: Ran(e.run, e.trained_on, e.processor) for s, e in evaluations.items()}


def episode_errors(evaluation: Evaluation, kind: str = METRIC) -> dict[str, float]:
    """The mean error over the pairs of views of each episode, episodes sorted by name.

    Args:
        evaluation: The evaluation of a run.
        kind: One of KINDS; empty where no pair is of that kind.
    """
    found: dict[str, list[float]] = {}
    for pair in evaluation.pairs:
        if _counts(pair, kind):
            found.setdefault(pair.episode, []).append(pair.metrics[METRIC])
    return {name: float(np.mean(found[name])) for name in sorted(found)}


def _counts(pair: PairResult, kind: str) -> bool:
    return kind == METRIC or (EGO in (pair.view1, pair.view2)) == (kind == EGO_ERROR)
