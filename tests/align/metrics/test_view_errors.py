"""Alignment errors with the first-person view and without."""

from __future__ import annotations

import pytest

from align.metrics.alignment import EGO_ERROR, THIRD_ERROR, PairResult, view_errors


def pair(view1: str, view2: str, error: float) -> PairResult:
    return PairResult("demo_0", view1, view2, {"alignment_error": error})


def test_pairs_are_separated_by_the_first_person_view() -> None:
    pairs = [
        pair("ego", "view_0", 0.3),
        pair("view_1", "ego", 0.1),
        pair("view_0", "view_1", 0.05),
    ]
    assert view_errors(pairs) == pytest.approx({EGO_ERROR: 0.2, THIRD_ERROR: 0.05})


def test_a_kind_of_which_there_is_none_is_left_out() -> None:
    assert list(view_errors([pair("ego", "view_3", 0.3)])) == [EGO_ERROR]
