"""Comparisons of methods: known answers, coverage, and what may be compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t as student

from align.metrics.alignment import EGO_ERROR, THIRD_ERROR, PairResult
from align.results.evaluation import Evaluation
from align.results.significance import METRIC, PairedTest, corrected, paired_tests
from align.results.statistics import holm
from tests.align.results.coverage import SPREADS, by_bootstrap, by_t, coverage


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
    return paired_tests(evaluations("deit", theirs), evaluations("paab", ours))[METRIC]


def test_change_and_interval_are_over_seeds_and_episodes() -> None:
    theirs = {0: [0.2, 0.3, 0.25, 0.4], 1: [0.22, 0.31, 0.28, 0.35]}
    ours = {0: [0.1, 0.25, 0.26, 0.3], 1: [0.2, 0.2, 0.2, 0.34]}
    found = compare(ours, theirs)
    assert found is not None
    a, b = np.array([*ours.values()]), np.array([*theirs.values()])
    assert (found.seeds, found.episodes) == (2, 4)
    assert found.change == pytest.approx(100 * (a.mean() / b.mean() - 1))
    # Computed apart: variances of the run means of each method, and of the episodes' differences.
    a, b = a / a.mean(), b / b.mean()
    parts = [a.mean(1).var(ddof=1) / 2, b.mean(1).var(ddof=1) / 2]
    parts.append((a - b).mean(0).var(ddof=1) / 4)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2 / 3)
    reach = student.ppf(0.975, freedom) * np.sqrt(sum(parts))
    ends = [100 * (np.exp(np.log1p(found.change / 100) + sign * reach) - 1) for sign in (-1, 1)]
    assert (found.low, found.high) == pytest.approx(ends)
    expected = 2 * student.sf(-np.log1p(found.change / 100) / np.sqrt(sum(parts)), freedom)
    assert found.p == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("ratio", [1.0, 0.75])
def test_the_interval_covers_the_true_change(spread: float, ratio: float) -> None:
    # The standard error of a share of 95 % of 6,000 draws is 0.3 points.
    assert 0.93 < coverage(by_t, 5, 50, spread, ratio, 6000) < 0.97
    assert 0.93 < coverage(by_t, 3, 50, spread, ratio, 6000) < 0.975


@pytest.mark.slow
def test_the_bootstrap_over_three_seeds_does_not() -> None:
    assert coverage(by_bootstrap, 3, 50, 0.19, 0.75, 500) < 0.9


def test_a_constant_factor_is_within_the_spread_of_seeds() -> None:
    rng = np.random.default_rng(1)
    theirs = {seed: rng.uniform(0.1, 0.4, 8).tolist() for seed in range(3)}
    ours = {seed: [0.8 * e for e in errors] for seed, errors in theirs.items()}
    found = compare(ours, theirs)
    assert found is not None
    assert found.low < found.change == pytest.approx(-20) and found.high > -20


def test_one_seed_or_one_episode_gives_no_interval() -> None:
    errors = {0: [0.1, 0.2, 0.3]}
    one = compare(errors, errors)
    assert one is not None and (one.seeds, one.episodes, one.change) == (1, 3, 0)
    assert np.isnan([one.low, one.high, one.p]).all()
    one = compare({0: [0.1], 1: [0.1]}, {0: [0.2], 1: [0.2]})
    assert one is not None and one.change == pytest.approx(-50) and np.isnan(one.p)


def test_no_difference_is_no_evidence() -> None:
    errors = {0: [0.1, 0.2, 0.3], 1: [0.2, 0.2, 0.3]}
    found = compare(errors, errors)
    assert found is not None and found.change == 0 and found.p == 1
    assert found.low < 0 < found.high


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


def test_kinds_of_views_are_compared_apart() -> None:
    theirs, ours = ({0: [a, b], 1: [b, a]} for a, b in ((0.2, 0.3), (0.1, 0.2)))
    pair = {"ego": evaluations("deit", theirs), "third": evaluations("paab", ours)}
    for group in pair.values():
        for evaluation in group:
            for i, one in enumerate(list(evaluation.pairs)):
                if one.view2 == "view_1":
                    evaluation.pairs[i] = replace(one, view1="view_0", metrics={METRIC: 0.5})
    tests = paired_tests(*pair.values())
    assert all(tests.values())
    assert tests[THIRD_ERROR].change == 0 and tests[EGO_ERROR].change < tests[METRIC].change < 0


@pytest.mark.parametrize("field", ["processor", "trained_on"])
def test_runs_of_other_processors_are_no_pair(field: str, caplog: pytest.LogCaptureFixture) -> None:
    theirs, ours = ({0: [0.2, 0.3], 1: [0.2, 0.4], 2: [0.3, 0.3]} for _ in range(2))
    baseline, method = evaluations("deit", theirs), evaluations("paab", ours)
    values = {"processor": ("Xeon, fp32", "EPYC, fp32"), "trained_on": (("Xeon",), ("EPYC",))}
    for group, value in ((baseline, 0), (method, 0), (method[2:], 1)):
        for i, evaluation in enumerate(group):
            group[i] = replace(evaluation, **{field: values[field][value]})
    method[2] = replace(method[2], **{field: values[field][1]})
    found = paired_tests(baseline, method)[METRIC]
    assert found is not None and found.seeds == 2
    assert "paab_2" in caplog.text and "EPYC" in caplog.text
    assert "paab_1" not in caplog.text


def test_p_is_corrected_for_the_number_of_methods() -> None:
    # Worked by hand: 3 × 0.01, 2 × 0.02, then at least as much as before.
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2] and holm([]) == []
    nan, p = holm([float("nan"), 0.01])
    assert np.isnan(nan) and p == 0.01
    test = PairedTest(3, 5, -1.0, -2.0, 0.0, 0.04)
    kept = corrected([None, test, replace(test, p=0.01)])
    assert kept[0] is None
    assert [one.p for one in kept[1:] if one] == pytest.approx([0.04, 0.02])
