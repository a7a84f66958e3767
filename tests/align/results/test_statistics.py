"""Means, spreads, the median run, and how tables write them."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from align.engine.csv_files import write_csv
from align.results.chance import alignment_chance, phase_chance, reference_rows
from align.results.statistics import lower_median, mean, std
from align.results.text import (
    between,
    count,
    format_change,
    format_spread,
    markdown,
    span,
    spread,
    with_arrow,
)


def test_means_and_deviations_skip_missing_values() -> None:
    assert mean([1, math.nan, 3]) == 2
    assert std([1, math.nan, 3]) == pytest.approx(math.sqrt(2))
    assert math.isnan(mean([math.nan])) and math.isnan(std([1.0, math.nan]))


def test_the_lower_of_two_medians_is_taken() -> None:
    assert lower_median(["ccc", "a", "bb"], key=len) == "bb"
    assert lower_median(["dddd", "ccc", "a", "bb"], key=len) == "bb"


def test_random_embeddings_are_known_by_formula() -> None:
    rows = reference_rows([16, 32])
    assert list(rows) == ["perfect", "random, about", "collapsed to a point"]
    assert rows["perfect"]["alignment_error"] == 0 and rows["perfect"]["kendalls_tau_b"] == 1
    assert rows["random, about"]["cycle_error"] == pytest.approx(1 / 3)
    assert rows["random, about"]["kendalls_tau"] == 0
    collapsed = rows["collapsed to a point"]
    assert collapsed["alignment_error"] == pytest.approx((15 / 32 + 31 / 64) / 2)
    assert math.isnan(collapsed["kendalls_tau_b"]) and collapsed["kendalls_tau"] == -1
    assert list(reference_rows()) == ["perfect", "random, about"]
    picks = np.random.default_rng(0).integers(0, 1000, (200, 1000))
    error = np.abs(picks - np.arange(1000)).mean() / 1000
    assert alignment_chance([20])["alignment_error_ego"] == pytest.approx(error, abs=0.01)
    assert 0 < alignment_chance([20])["alignment_error_window"] < 0.1


def test_phases_of_embeddings_without_information() -> None:
    phases = [np.array([0, 0, 0, 1], np.uint8), np.array([0, 0, 0, 2], np.uint8)]
    found = phase_chance(phases)
    # Phase 0 everywhere: precision 3/4, recall 1, so its F1 is 6/7, weighted by 3/4.
    assert found["phase_f1"] == found["across_phase_f1_10"] == pytest.approx(0.75 * 6 / 7)
    assert found["ap10"] == found["across_ap5"] == pytest.approx(0.75**2 + 2 * 0.125**2)
    assert found["phase_r2"] == found["across_phase_r2"] == 0


def test_cells() -> None:
    assert format_spread(-0.5, 0.0125) == "−0.500 ± 0.013"
    assert format_spread(0.5) == "0.500"
    assert format_spread(math.nan) == format_change(None) == spread([]) == "–"
    assert format_change(3.14) == "+3.1 %"
    assert spread([1, 2], digits=1) == "1.5 ± 0.7" and spread([1.0]) == "1.000"
    assert with_arrow("alignment_error_dtw", "DTW") == "DTW ↓"
    assert with_arrow("kendalls_tau", "τ") == "τ ↑"
    assert count([1, 1], "epoch") == "1 epoch" and count([3], "epoch") == "3 epochs"
    assert count([12, 9], "epoch") == "9 to 12 epochs" and count([0], "step") == "0 steps"
    assert span(["b", "c", "a"]) == "a to c"
    assert between([10.04, 9.0]) == "9.0 to 10.0" and between([1.01, 1.0]) == "1.0"


def test_files_of_rows(tmp_path: Path) -> None:
    rows = [["x|y", "1", "RGB", "–"], ["z", "**−0.2 ± 0.1**", "", "+4 %"]]
    assert markdown(["a", "b", "c", "d"], rows).splitlines() == [
        "| a | b | c | d |",
        "|---|---:|---|---:|",
        "| x\\|y | 1 | RGB | – |",
        "| z | **−0.2 ± 0.1** |  | +4 % |",
    ]
    write_csv(
        tmp_path / "a.csv",
        ["n", "v", "w", "t"],
        [[1, 0.1 + 0.2, None, "a,b"], [2, math.nan, 0, ""]],
    )
    with open(tmp_path / "a.csv", newline="") as file:
        assert list(csv.reader(file)) == [
            ["n", "v", "w", "t"],
            ["1", "0.30000000000000004", "", "a,b"],
            ["2", "", "0", ""],
        ]
