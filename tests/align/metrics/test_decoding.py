"""Decodings against an exhaustive search, known answers and chance."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from align.metrics.alignment import distances, episode_metrics
from align.metrics.decoding import (
    DECODING_METRICS,
    chance_errors,
    dtw_picks,
    episode_decodings,
    window_picks,
)


def best_path(cost: np.ndarray) -> list[tuple[int, int]]:
    """The cheapest warping path, by trying all of them."""

    @cache
    def to(i: int, j: int) -> tuple[float, tuple[tuple[int, int], ...]]:
        own = cost[i, j]
        if i == j == 0:
            return own, ((0, 0),)
        ways = []
        if i and j:
            ways.append((to(i - 1, j - 1)[0] + own, to(i - 1, j - 1)[1]))
        if i:
            ways.append(to(i - 1, j))
        if j:
            ways.append(to(i, j - 1))
        total, path = min(ways, key=lambda way: way[0])
        return total + own, (*path, (i, j))

    return list(to(cost.shape[0] - 1, cost.shape[1] - 1)[1])


@settings(max_examples=40)
@given(rows=st.integers(1, 7), columns=st.integers(1, 7), seed=st.integers(0, 10_000))
def test_dtw_agrees_with_an_exhaustive_search(rows: int, columns: int, seed: int) -> None:
    # Real numbers leave no ties, so there is one best path.
    cost = np.random.default_rng(seed).random((2, rows, columns))
    for picks, one in zip(dtw_picks(cost), cost, strict=True):
        path = best_path(one)
        expected = [min((one[i, j], j) for i, j in path if i == row)[1] for row in range(rows)]
        assert picks.tolist() == expected


def test_dtw_never_goes_back_where_the_nearest_frame_does() -> None:
    # A motion there and back: positions are visited twice, so the nearest frame may be either.
    time = torch.arange(20.0)
    place = (10 - (time - 10).abs())[:, None]
    matrix = distances(place + 0.01 * time[:, None], place - 0.01 * time[:, None])[None].numpy()
    (picks,) = dtw_picks(matrix)
    assert (np.diff(picks) >= 0).all()
    assert (np.diff(matrix[0].argmin(1)) < 0).any()
    assert np.abs(picks - np.arange(20)).max() <= 1


def test_dtw_follows_a_pause() -> None:
    fast, slow = torch.arange(4.0)[:, None], torch.tensor([[0.0], [1], [1.2], [1.4], [2], [3]])
    assert dtw_picks(distances(slow, fast)[None].numpy()).tolist() == [[0, 1, 1, 1, 2, 3]]
    # Three frames show the pause; the nearest one counts.
    assert dtw_picks(distances(fast, slow)[None].numpy()).tolist() == [[0, 1, 4, 5]]


def test_window_holds_the_frames_near_the_same_relative_time() -> None:
    cost = np.ones((1, 10, 20))
    cost[0, 4, [1, 7, 19]] = 0, 0.5, 0.2
    # 4 of 10 is 8 of 20; a tenth of 20 frames to either side is 6 … 10.
    assert window_picks(cost, radius=0.1)[0, 4] == 7
    assert window_picks(cost, radius=1.0)[0, 4] == 1
    assert window_picks(np.ones((1, 3, 3)), radius=0.0).tolist() == [[0, 1, 2]]


def test_episode_has_every_pair_under_every_decoding() -> None:
    clock = torch.arange(12.0)[:, None]
    found = episode_decodings({"a": clock, "b": clock, "c": clock.flip(0)})
    assert list(found) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert found["a", "b"] == dict.fromkeys(DECODING_METRICS, 0.0)
    assert all(error > 0 for error in found["a", "c"].values())
    assert episode_decodings({"a": clock}) == {}


def test_chance_is_below_a_third_and_repeatable() -> None:
    chance = chance_errors([60, 40])
    assert chance == chance_errors([60, 40])
    # A little below the nearest frame's 1/3: smoothing shortens vectors in the middle of the
    # episode, which are then nearer to all, and the middle is never far off.
    assert chance["alignment_error_motion"] == pytest.approx(0.30, abs=0.02)
    assert chance["alignment_error_dtw"] == pytest.approx(0.155, abs=0.03)
    # Picks and truth are uniform in a window of a tenth to either side: half of that on average.
    assert chance["alignment_error_window"] == pytest.approx(0.05, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("block", [1, 45, 200])
def test_blocks_of_distances_change_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    # Rounded, so that many frames are equally near.
    views = {v: torch.randn(30, 2, generator=generator).round(decimals=1) for v in "abc"}
    whole = episode_decodings(views), episode_metrics("episode", views)
    monkeypatch.setattr("align.metrics.alignment.BLOCK", block)
    monkeypatch.setattr("align.metrics.decoding.BLOCK", block)
    assert (episode_decodings(views), episode_metrics("episode", views)) == whole


@pytest.mark.parametrize("block", [1, 17, 40])
def test_dtw_in_blocks_of_rows_follows_the_same_path(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = np.random.default_rng(0).integers(0, 4, (2, 12, 9)).astype(np.float32)
    whole = dtw_picks(cost)
    monkeypatch.setattr("align.metrics.alignment.BLOCK", block)
    assert dtw_picks(cost).tolist() == whole.tolist()
