"""Alignment metrics against known answers, naive loops and invariants."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from align.metrics.alignment import (
    METRICS,
    alignment_error,
    cycle_error,
    episode_metrics,
    kendalls_tau,
    kendalls_tau_b,
    mean_metrics,
    pair_metrics,
)
from datasets.errors import TooFewViewsError


def clock(length: int) -> torch.Tensor:
    """Embeddings that encode the time: frame i is at i."""
    return torch.arange(length, dtype=torch.float32)[:, None]


@pytest.mark.parametrize("length", [2, 7, 40])
def test_identity_is_perfect(length: int) -> None:
    z = clock(length)
    assert alignment_error(z, z) == 0
    assert cycle_error(z, z) == 0
    assert kendalls_tau(z, z) == 1
    assert kendalls_tau_b(z, z) == pytest.approx(1)


@pytest.mark.parametrize("length", [2, 7, 40])
def test_collapsed_embeddings(length: int) -> None:
    z = torch.full((length, 5), 0.3)
    # Every frame picks frame 0, so the mean distance is that of 0 … length - 1 from 0.
    assert alignment_error(z, z) == pytest.approx((length - 1) / (2 * length))
    assert kendalls_tau(z, z) == -1
    assert math.isnan(kendalls_tau_b(z, z))


@pytest.mark.parametrize("length", [2, 7, 40])
def test_reversed_time(length: int) -> None:
    z = clock(length)
    assert kendalls_tau(z, z.flip(0)) == -1
    assert kendalls_tau_b(z, z.flip(0)) == pytest.approx(-1)
    expected = sum(abs(i - (length - 1 - i)) for i in range(length)) / length**2
    assert alignment_error(z, z.flip(0)) == pytest.approx(expected)
    # There and back leads home.
    assert cycle_error(z, z.flip(0)) == 0


def test_random_matching_is_about_a_third() -> None:
    generator = torch.Generator().manual_seed(0)
    errors = [
        alignment_error(
            torch.randn(60, 16, generator=generator), torch.randn(60, 16, generator=generator)
        )
        for _ in range(50)
    ]
    assert sum(errors) / len(errors) == pytest.approx(1 / 3, abs=0.02)


def test_ties_count_as_discordant_only_in_the_strict_form() -> None:
    # Frames 1 and 2 both pick frame 1: of 3 pairs 2 are concordant.
    z1, z2 = torch.tensor([[0.0], [1.0], [1.1]]), torch.tensor([[0.0], [1.0], [5.0]])
    assert kendalls_tau(z1, z2) == pytest.approx((2 - 1) / 3)
    assert kendalls_tau_b(z1, z2) == pytest.approx(2 / math.sqrt(3 * 2))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(length=st.integers(2, 12), dim=st.integers(1, 4), seed=st.integers(0, 10_000))
def test_agrees_with_naive_loops(length: int, dim: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Small integers, so that ties occur and distances are exact.
    z1, z2 = (torch.randint(0, 4, (length, dim), generator=generator).float() for _ in range(2))

    def nearest(source: torch.Tensor, target: torch.Tensor) -> list[int]:
        return [
            min(range(length), key=lambda j: ((source[i] - target[j]) ** 2).sum().item())
            for i in range(length)
        ]

    a, b = nearest(z1, z2), nearest(z2, z1)
    pairs = [(i, j) for i in range(length) for j in range(i + 1, length)]
    concordant = sum(a[i] < a[j] for i, j in pairs)
    metrics = pair_metrics(z1, z2)
    assert metrics["alignment_error"] == pytest.approx(
        sum(abs(i - a[i]) for i in range(length)) / length**2
    )
    assert metrics["cycle_error"] == pytest.approx(
        sum(abs(i - b[a[i]]) for i in range(length)) / length**2
    )
    assert metrics["kendalls_tau"] == pytest.approx(
        (concordant - (len(pairs) - concordant)) / len(pairs)
    )


def test_neighbouring_frames_far_from_the_origin_are_distinguished() -> None:
    # A matrix product would lose these differences to cancellation.
    z = 1000 + 0.01 * clock(200)
    assert alignment_error(z, z.clone()) == 0


def test_episode_takes_each_pair_once_and_averages() -> None:
    views = {"ego": clock(4), "view_0": clock(4), "view_1": clock(4).flip(0)}
    results = episode_metrics("demo_0", views)
    assert [(r.view1, r.view2) for r in results] == [
        ("ego", "view_0"),
        ("ego", "view_1"),
        ("view_0", "view_1"),
    ]
    assert {r.episode for r in results} == {"demo_0"}
    assert mean_metrics(results[1:2]) == results[1].metrics
    means = mean_metrics(results)
    assert set(means) == set(METRICS)
    assert means["alignment_error"] == pytest.approx((0 + 0.5 + 0.5) / 3)


def test_a_tau_of_nothing_but_ties_does_not_count_in_the_mean() -> None:
    views = {"a": clock(4), "b": clock(4), "c": torch.zeros(4, 1)}
    results = episode_metrics("demo_0", views)
    assert mean_metrics(results)["kendalls_tau_b"] == pytest.approx(1)
    assert math.isnan(mean_metrics(results[1:])["kendalls_tau_b"])


def test_views_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="5 and 6"):
        alignment_error(clock(5), clock(6))


def test_a_mean_of_no_pairs_is_refused() -> None:
    with pytest.raises(TooFewViewsError):
        mean_metrics(episode_metrics("demo_0", {"ego": clock(4)}))
