"""Soft-DTW, LAV and AE2 against loops that follow their definitions."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from align.losses.build import build_loss
from align.losses.config import LossConfig, SoftDtwConfig, TimeReversedConfig
from align.losses.dynamic_time_warping import contrastive_idm, soft_dtw
from align.train import make_trainer
from tests.align.conftest import tiny_config
from tests.align.losses.steps import WINDOW, squared, step


def softmin(values: list[float], gamma: float) -> float:
    return -gamma * torch.logsumexp(-torch.tensor(values, dtype=torch.float64) / gamma, 0).item()


def soft_dtw_by_recursion(cost: Tensor, gamma: float) -> float:
    reached = {(-1, -1): 0.0}
    for i in range(cost.shape[0]):
        for j in range(cost.shape[1]):
            before = [reached.get(at) for at in ((i - 1, j - 1), (i - 1, j), (i, j - 1))]
            least = softmin([value for value in before if value is not None], gamma)
            reached[i, j] = cost[i, j].item() + least
    return reached[cost.shape[0] - 1, cost.shape[1] - 1]


@pytest.mark.slow
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from([0.05, 0.5, 3.0]), st.integers(0, 9))
def test_soft_dtw_agrees_with_the_recursion(rows: int, cols: int, gamma: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    cost = torch.rand(2, rows, cols, generator=generator, dtype=torch.float64)
    expected = [soft_dtw_by_recursion(matrix, gamma) for matrix in cost]
    assert soft_dtw(cost, gamma).tolist() == pytest.approx(expected)


def test_soft_dtw_becomes_the_cheapest_path() -> None:
    cost = torch.tensor([[[1.0, 9.0, 9.0], [1.0, 1.0, 9.0], [9.0, 9.0, 1.0]]])
    assert soft_dtw(cost, 1e-3).item() == pytest.approx(3.0, abs=0.01)


def test_gradient_of_soft_dtw_is_where_the_path_goes() -> None:
    cost = 5 * (1 - torch.eye(4))[None]
    cost.requires_grad_()
    soft_dtw(cost, 1e-2).sum().backward()
    assert cost.grad is not None
    torch.testing.assert_close(cost.grad[0], torch.eye(4))


def test_soft_dtw_passes_gradcheck() -> None:
    cost = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda c: soft_dtw(c, 0.5), cost.requires_grad_())


def test_regulariser_of_lav_agrees_with_a_loop() -> None:
    z, times = step(views=2)
    unit = F.normalize(z, dim=-1)
    pulled, pulls, pushed, pushes = 0.0, 0.0, 0.0, 0.0
    for e in range(2):
        for v in range(2):
            for a in range(6):
                for b in range(6):
                    gap = abs(times[e, a] - times[e, b]).item()
                    weight = 1 + (gap / WINDOW) ** 2
                    distance = math.sqrt(squared(unit[e, v, a], unit[e, v, b]))
                    if gap > WINDOW:
                        pushed += weight * max(0.0, 1.5 - distance)
                        pushes += weight
                    else:
                        pulled += distance / weight
                        pulls += 1 / weight
    within = torch.cdist(unit, unit).square()
    value = contrastive_idm(within, times, WINDOW, 1.5).item()
    assert value == pytest.approx(pulled / pulls + pushed / pushes, rel=1e-4)


def test_lav_is_soft_dtw_between_views_and_its_regulariser_within() -> None:
    z, times = step(views=2)
    unit = F.normalize(z, dim=-1)
    paths = [
        soft_dtw_by_recursion(torch.cdist(unit[e, 0], unit[e, 1]).square(), 0.2) / 12
        for e in range(2)
    ]
    config = LossConfig("soft_dtw", window=WINDOW, soft_dtw=SoftDtwConfig(0.2, regularizer=0.0))
    assert build_loss(config)(z, times).item() == pytest.approx(sum(paths) / 2)
    both = LossConfig("soft_dtw", window=WINDOW, soft_dtw=SoftDtwConfig(0.2, regularizer=3.0))
    within = contrastive_idm(torch.cdist(unit, unit).square(), times, WINDOW, 2.0).item()
    assert build_loss(both)(z, times).item() == pytest.approx(sum(paths) / 2 + 3 * within, rel=1e-4)


def test_time_reversed_agrees_with_a_loop() -> None:
    z, times = step(views=2)
    unit = F.normalize(z, dim=-1)
    terms = []
    for e in range(2):
        for v, w in ((0, 1), (1, 0)):
            cost = -(unit[e, v] @ unit[e, w].T / 0.1).log_softmax(-1)
            forwards = soft_dtw_by_recursion(cost, 0.2) / 6
            backwards = soft_dtw_by_recursion(cost.flip(1), 0.2) / 6
            terms.append(forwards + 0.5 * max(0.0, forwards - backwards + 0.3))
    options = TimeReversedConfig(gamma=0.2, temperature=0.1, weight=0.5, margin=0.3)
    loss = build_loss(LossConfig("time_reversed", WINDOW, time_reversed=options))
    assert loss(z, times).item() == pytest.approx(sum(terms) / len(terms))


@pytest.mark.parametrize("name", ["soft_dtw", "time_reversed", "tcc"])
def test_the_order_in_which_moments_were_drawn_does_not_matter(name: str) -> None:
    z, times = step()
    order = [3, 0, 5, 1, 4, 2]
    loss = build_loss(LossConfig(name, window=WINDOW))  # type: ignore[arg-type]
    torch.testing.assert_close(loss(z, times), loss(z[:, :, order], times[:, order]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tcc", "soft_dtw", "time_reversed"])
def test_every_loss_of_sequences_trains(dots: Path, tmp_path: Path, name: str) -> None:
    config = tiny_config(dots, tmp_path, epochs=4, validate_every=4)
    config = replace(config, loss=LossConfig(name))  # type: ignore[arg-type]
    trainer = make_trainer(config, progress=False)
    trainer.fit()
    assert trainer.history[-1]["train/loss"] < trainer.history[0]["train/loss"]
    assert trainer.history[-1]["valid/alignment_error"] < 0.25
