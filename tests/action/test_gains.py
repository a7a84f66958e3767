"""Differences of recognisers to the baseline: by hand, certain, uncertain, and not comparable."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from action.comparing.gains import Gain, gain
from action.report import finding
from action.results import ActionRun, result_rows
from tests.action.test_compare import evaluation, run_of


def test_a_gain_of_every_clip_is_certain_and_none_is_nothing():
    worse = [evaluation("baseline", seed, [False] * 5) for seed in (0, 1)]
    better = [evaluation("paab", seed, [True] * 5) for seed in (0, 1)]
    certain = gain(worse, better)
    assert certain is not None
    assert (certain.points, certain.low, certain.high) == (100, 100, 100)
    same = gain(worse, [evaluation("paab", seed, [False] * 5) for seed in (0, 1)])
    assert same is not None
    assert (same.points, same.low, same.high) == (0, 0, 0)
    assert gain(worse[:1], better[1:]) is None


def test_smarthome_is_compared_by_mean_class_accuracy():
    # Three clips of one class and one of another: recognising the single one counts half.
    def of_classes(method: str, guesses: str) -> ActionRun:
        run = run_of(method, 0, [True] * 4)
        clips = {f"clip{i}": ("aaab"[i], guess) for i, guess in enumerate(guesses)}
        share = float(np.mean([guesses[:3].count("a") / 3, guesses[3] == "b"]))
        metrics = {"top1": 0.0, "mean_class_accuracy": share}
        own = replace(
            run.evaluations["CVS3"], clips=clips, metrics=metrics, recall={"a": 0, "b": 0}
        )
        config = replace(run.config, data="smarthome")
        return replace(run, config=config, evaluations={"CVS3": own})

    runs = [of_classes("baseline", "aaaa"), of_classes("paab", "bbab")]
    row = result_rows(runs)[1]
    assert row.gain is not None
    assert row.gain.points == pytest.approx(row.mean["mean_class_accuracy"] - 50)
    assert row.gain.points == pytest.approx(100 * (2 / 3 - 1 / 2))
    assert finding(runs).startswith("CVS3: paab has the highest mean class accuracy, 66.7 %")


def test_one_seed_gives_a_gain_without_an_interval():
    one = gain([evaluation("baseline", 0, [False] * 5)], [evaluation("paab", 0, [True] * 5)])
    assert one is not None
    assert str(one) == "+100.0 [–]"
    assert one.in_points == "+100.0 points with one seed"
    assert Gain(-3.14, -5, 1.02).in_points == "−3.1 points [−5.0, 1.0]"


@pytest.mark.parametrize(
    "elsewhere", [{"processor": "EPYC, fp32"}, {"processors": ("EPYC, fp32",)}], ids=str
)
def test_runs_of_other_processors_are_no_pair(elsewhere, caplog):
    here = {"processor": "Xeon, fp32", "processors": ("Xeon, fp32",)}
    worse = [replace(evaluation("baseline", s, [False] * 5), **here) for s in (0, 1)]
    better = [replace(evaluation("paab", s, [True] * 5), **here) for s in (0, 1)]
    better[1] = replace(better[1], run=Path("paab_1"), **elsewhere)
    found = gain(worse, better)
    assert found is not None and np.isnan(found.low), "one seed is left"
    assert "paab_1" in caplog.text and "EPYC" in caplog.text
    assert gain(worse[1:], better[1:]) is None


def test_methods_that_are_equal_share_the_finding():
    runs = [run_of("baseline", 0, [True, False]), run_of("paab", 0, [False, True])]
    assert finding(runs) == "CVS3: baseline, paab share the highest top-1 accuracy, 50.0 %."
