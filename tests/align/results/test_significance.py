"""The paired test: known answers, and what it does with seeds and shared episodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import wilcoxon

from align.metrics.alignment import PairResult
from align.results.evaluation import Evaluation
from align.results.significance import PairedTest, paired_test


def evaluations(method: str, errors: dict[int, list[float]]) -> list[Evaluation]:
    """One evaluation a seed; each episode has two pairs of views around its error."""
    found = []
    for seed, values in errors.items():
        pairs = [
            PairResult(f"demo_{i}", "ego", view, {"alignment_error": value + shift})
            for i, value in enumerate(values)
            for view, shift in (("view_0", 0.01), ("view_1", -0.01))
        ]
        mean = {"alignment_error": float(np.mean(values))}
        found.append(
            Evaluation(Path(f"{method}_{seed}"), "test", method, Path("d"), seed, mean, pairs)
        )
    return found


def compare(ours: dict[int, list[float]], theirs: dict[int, list[float]]) -> PairedTest | None:
    args = evaluations("deit", theirs), evaluations("paab", ours)
    return paired_test(*args, np.random.default_rng(0))


def test_change_and_p_are_over_seeds_and_episodes() -> None:
    theirs = {0: [0.2, 0.3, 0.25, 0.4], 1: [0.22, 0.31, 0.28, 0.35]}
    ours = {0: [0.1, 0.25, 0.26, 0.3], 1: [0.2, 0.2, 0.2, 0.34]}
    found = compare(ours, theirs)
    assert found is not None
    a, b = np.array([*ours[0], *ours[1]]), np.array([*theirs[0], *theirs[1]])
    assert (found.seeds, found.episodes) == (2, 4)
    assert found.change == pytest.approx(100 * (a.mean() / b.mean() - 1))
    assert found.p == pytest.approx(wilcoxon(a, b).pvalue, abs=0.02)
    assert found.low < found.change < found.high < 0


def test_a_constant_factor_leaves_no_doubt() -> None:
    rng = np.random.default_rng(1)
    theirs = {seed: rng.uniform(0.1, 0.4, 8).tolist() for seed in range(3)}
    ours = {seed: [0.8 * e for e in errors] for seed, errors in theirs.items()}
    found = compare(ours, theirs)
    assert found is not None and found.p < 1e-5
    assert (found.low, found.high) == pytest.approx((-20, -20))


def test_no_difference_is_no_evidence() -> None:
    errors = {0: [0.1, 0.2, 0.3]}
    assert compare(errors, errors) == PairedTest(1, 3, 0.0, 0.0, 0.0, 1.0)


def test_the_interval_knows_that_episodes_of_a_seed_belong_together() -> None:
    # One of three seeds is far better in all episodes: over seeds that is one draw of three.
    theirs = {seed: [0.2] * 20 for seed in range(3)}
    ours = {0: [0.02] * 20, 1: [0.21] * 20, 2: [0.21] * 20}
    found = compare(ours, theirs)
    assert found is not None
    assert found.change < 0 < found.high


def test_only_common_seeds_count() -> None:
    found = compare({1: [0.1, 0.1], 2: [0.9, 0.9]}, {0: [0.5, 0.5], 1: [0.2, 0.2]})
    assert found is not None and found.change == pytest.approx(-50)
    assert compare({1: [0.1]}, {0: [0.1]}) is None


def test_a_baseline_without_error_has_no_relative_change() -> None:
    found = compare({0: [0.1, 0.1]}, {0: [0.0, 0.0]})
    assert found is not None and np.isnan(found.change)
