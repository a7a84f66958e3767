"""The offset between two clocks, from pairs of frames whose truth is known."""

import numpy as np
import pytest

from align.videos.offset import LEAST_PAIRS, estimate_offset, mutual_pairs

PERIOD = 0.05


def clock(frames, period=PERIOD):
    return np.arange(frames) * period


def pairs_of(first, second):
    return np.asarray(first), np.asarray(second)


@pytest.mark.parametrize("shift", [-20, 0, 13])
def test_exact_pairs_give_their_offset_and_half_a_frame(shift):
    rows = np.arange(30, 60)
    found = estimate_offset(clock(100), clock(100), pairs_of(rows, rows + shift))
    assert found.fits and found.agreeing == 1 and found.pairs == 30
    assert found.seconds == pytest.approx(shift * PERIOD)
    assert (found.low, found.high) == pytest.approx(
        ((shift - 0.5) * PERIOD, (shift + 0.5) * PERIOD)
    )
    assert found.speed == pytest.approx(1)


def test_pairs_that_are_wrong_do_not_move_it():
    rng = np.random.default_rng(0)
    rows = np.arange(100)
    columns = rows + 10
    columns[rng.choice(100, 35, replace=False)] = rng.integers(0, 110, 35)
    found = estimate_offset(clock(100), clock(110), pairs_of(rows, columns))
    assert found.fits and found.seconds == pytest.approx(10 * PERIOD)
    assert 0.6 <= found.agreeing < 0.8


def test_cameras_of_different_rates_share_seconds():
    first, second = clock(60, 1 / 20), clock(90, 1 / 30)
    rows = np.arange(60)
    columns = np.clip(np.round((first + 0.2) * 30).astype(int), 0, 89)[: len(rows)]
    rows, columns = rows[columns < 89], columns[columns < 89]
    found = estimate_offset(first, second, pairs_of(rows, columns))
    assert found.fits and found.seconds == pytest.approx(0.2, abs=1 / 60)
    assert found.low <= 0.2 <= found.high


def test_another_speed_is_no_offset_and_is_told():
    rows = np.arange(100)
    found = estimate_offset(clock(100), clock(50), pairs_of(rows, rows // 2))
    assert not found.fits
    assert found.speed == pytest.approx(0.5, abs=0.02)
    assert "a second of the first video is 0.5" in found.problem


def test_a_reversed_video_has_no_offset_though_most_pairs_agree_on_one():
    rows = np.r_[:7, 38:62, 93:100]
    columns = np.r_[99:92:-1, 38:62, 6:-1:-1]
    found = estimate_offset(clock(100), clock(100), pairs_of(rows, columns))
    assert not found.fits and "but over all pairs a second" in found.problem
    backwards = estimate_offset(
        clock(100), clock(100), pairs_of(np.arange(100), np.arange(100)[::-1])
    )
    assert "a second of the first video is -1.00 s of this one" in backwards.problem


def test_pairs_that_agree_on_two_offsets_alike_agree_on_one_of_them():
    rows = np.arange(40)
    columns = np.where(rows < 20, rows + 10, rows + 60)
    found = estimate_offset(clock(100), clock(100), pairs_of(rows, columns))
    assert not found.fits and found.agreeing == pytest.approx(0.5)
    assert found.seconds in (pytest.approx(10 * PERIOD), pytest.approx(60 * PERIOD))


def test_random_pairs_are_no_offset_and_have_no_speed():
    rng = np.random.default_rng(1)
    found = estimate_offset(clock(200), clock(200), pairs_of(*rng.integers(0, 200, (2, 80))))
    assert not found.fits and found.problem.endswith("of the frame pairs agree on one")


def test_few_pairs_are_no_offset():
    rows = np.arange(LEAST_PAIRS - 1)
    found = estimate_offset(clock(50), clock(50), pairs_of(rows, rows))
    assert not found.fits and found.pairs == LEAST_PAIRS - 1
    assert "only 7 pairs" in found.problem


@pytest.mark.slow
def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(2)
    held, widths = [], []
    for _ in range(200):
        rows = np.arange(80)
        noise = np.round(rng.normal(0, 1.2, 80)).astype(int)
        found = estimate_offset(
            clock(80), clock(120), pairs_of(rows, np.maximum(rows + 20 + noise, 0))
        )
        held.append(found.low <= 20 * PERIOD <= found.high)
        widths.append(found.high - found.low)
    assert np.mean(held) >= 0.95
    assert np.mean(widths) < 2 * PERIOD, "an interval that says nothing always holds"


def test_the_same_pairs_give_the_same_interval():
    rng = np.random.default_rng(3)
    pairs = pairs_of(np.arange(60), np.arange(60) + rng.integers(0, 4, 60))
    assert estimate_offset(clock(60), clock(70), pairs) == estimate_offset(
        clock(60), clock(70), pairs
    )


def test_mutual_pairs_are_each_others_nearest():
    cost = np.array([[0.1, 0.5, 0.9], [0.2, 0.4, 0.9], [0.9, 0.9, 0.3]])
    rows, columns = mutual_pairs(cost)
    assert rows.tolist() == [0, 2] and columns.tolist() == [0, 2]
