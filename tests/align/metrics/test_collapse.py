"""The collapse detector on embeddings that collapse in each way, and on sound ones."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor

from align.metrics.alignment import episode_metrics, mean_metrics
from align.metrics.collapse import CollapseWatch, diagnose, effective_rank, spread

LENGTH = 40


def verdict(*views: Tensor) -> tuple[str, str]:
    embeddings = {f"view_{i}": z for i, z in enumerate(views)}
    error = mean_metrics(episode_metrics("demo_0", embeddings))["alignment_error"]
    found = diagnose([embeddings], error)
    return found.kind, found.message


def noise(seed: int, dim: int = 16) -> Tensor:
    return torch.randn(LENGTH, dim, generator=torch.Generator().manual_seed(seed))


def test_effective_rank_counts_the_dimensions_in_use() -> None:
    clock = torch.arange(LENGTH)[:, None].float()
    assert effective_rank(clock @ torch.ones(1, 8) + 5) == pytest.approx(1, abs=1e-4)
    angle = torch.arange(LENGTH) * (2 * torch.pi / LENGTH)
    circle = torch.stack([angle.cos(), angle.sin(), torch.zeros(LENGTH)], dim=1)
    assert effective_rank(circle) == pytest.approx(2, abs=1e-4)
    assert effective_rank(torch.full((LENGTH, 8), 0.3)) == 0
    assert 12 < effective_rank(noise(0)) < 16


def test_spread_is_relative_to_the_length() -> None:
    z = torch.tensor([[3.0, 1.0], [3.0, -1.0]])
    assert spread(z) == pytest.approx((1 / 10) ** 0.5)
    assert spread(z * 7) == pytest.approx(spread(z))
    assert spread(z - z.mean(0)) == pytest.approx(1)
    assert spread(torch.zeros(2, 2)) == 0


def test_sound_embeddings_pass_even_on_a_line() -> None:
    clock = torch.arange(LENGTH)[:, None].float()
    assert verdict(clock, clock, clock) == ("none", "")
    assert verdict(noise(0), noise(0) + 0.01 * noise(1))[0] == "none"


def test_a_point_is_detected_by_its_error_and_by_its_spread() -> None:
    point = torch.full((LENGTH, 8), 0.3)
    kind, message = verdict(point, point)
    assert kind == "point"
    assert "0.487" in message and "--head.whiten" in message
    # Too near to one another to trust, whatever order rounding leaves them in.
    nearly = 1 + 1e-5 * torch.arange(LENGTH)[:, None]
    assert verdict(nearly, nearly)[0] == "point"


def test_frames_that_all_find_one_are_no_point_while_they_differ() -> None:
    # As views do that training has not seen: the clock of one runs within a moment of the other's.
    clock = torch.arange(LENGTH)[:, None].float()
    kind, message = verdict(clock - clock.mean(), 100 + clock / 100)
    assert kind == "line" and "effective rank 1.0" in message
    found = diagnose([{"a": noise(0), "b": noise(1)}], 0.48)
    assert found.kind == "chance" and "collapsed" not in found.message


def test_random_embeddings_are_at_chance() -> None:
    kind, message = verdict(*(noise(seed) for seed in range(6)))
    assert kind == "chance" and "--head.center" in message and "--random-cameras" in message
    assert "collapsed" not in message  # the frames differ, but not with time


def test_a_line_without_time_is_detected() -> None:
    kind, message = verdict(*(noise(seed, dim=1) @ torch.ones(1, 8) for seed in range(6)))
    assert kind == "line" and "effective rank 1.0" in message


def test_log_warns_at_the_second_bad_validation_and_once(caplog: pytest.LogCaptureFixture) -> None:
    sound = diagnose([{"a": noise(0)}], 0.1)
    bad = diagnose([{"a": noise(0)}], 0.34)
    watch = CollapseWatch()
    with caplog.at_level(logging.WARNING, logger="align"):
        watch.see(bad)
        assert not caplog.records
        watch.see(bad)
        watch.see(bad)
        assert len(caplog.records) == 1 and "random" in caplog.text
        for verdict in (sound, bad, bad):
            watch.see(verdict)
    assert len(caplog.records) == 2
