"""TCC against a loop that follows its definition."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from align.losses.build import build_loss
from align.losses.config import LossConfig, TccConfig
from align.losses.cycle_consistency import LEAST_VARIANCE
from tests.align.losses.steps import WINDOW, squared, step


def test_tcc_agrees_with_a_loop() -> None:
    z, times = step()
    unit = F.normalize(z, dim=-1)
    terms = []
    for e in range(2):
        for v in range(3):
            for w in range(3):
                for a in range(6 if v != w else 0):
                    there = [-squared(unit[e, v, a], unit[e, w, k]) / 0.2 for k in range(6)]
                    neighbour = torch.tensor(there).double().softmax(0) @ unit[e, w]
                    back = [-squared(neighbour, unit[e, v, k]) / 0.2 for k in range(6)]
                    beta = torch.tensor(back).double().softmax(0)
                    moments = times[e].double()
                    mean = (beta * moments).sum()
                    variance = max((beta * (moments - mean) ** 2).sum().item(), LEAST_VARIANCE)
                    error = (moments[a] - mean).item() ** 2
                    terms.append(error / variance + 0.001 * math.log(variance) / 2)
    loss = build_loss(LossConfig("tcc", WINDOW, tcc=TccConfig(temperature=0.2)))
    assert loss(z, times).item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_tcc_is_nothing_when_every_frame_comes_back() -> None:
    z = torch.eye(6, dtype=torch.float64).expand(1, 2, -1, -1)
    times = torch.tensor([[0, 3, 5, 9, 11, 20]])
    loss = build_loss(LossConfig("tcc", WINDOW, tcc=TccConfig(temperature=0.1)))
    assert loss(z, times).item() == pytest.approx(0, abs=1e-4)
