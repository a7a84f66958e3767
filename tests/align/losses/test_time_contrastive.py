"""Time-contrastive losses against loops over triplets and pairs, and their invariants."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations, product
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from align.losses import LossConfig, LossName, build_loss
from datasets.errors import OptionError, TooFewViewsError
from tests.align.losses.steps import WINDOW, squared, step


def anchors() -> Iterator[tuple[int, int, int, int]]:
    """Episode, view, another view, and moment of every anchor of a step."""
    for e, (v, w), a in product(range(2), permutations(range(3), 2), range(6)):
        yield e, v, w, a


def test_published_triplet_agrees_with_a_loop() -> None:
    z, times = step()
    terms = []
    for (e, v, w, a), p, n in product(anchors(), range(6), range(6)):
        near = 0 < abs(times[e, a] - times[e, p]) <= WINDOW
        if v > w or not near or abs(times[e, a] - times[e, n]) <= WINDOW:
            continue
        a1, p1, n1 = z[e, v, a], z[e, v, p], z[e, v, n]
        a2, p2, n2 = z[e, w, a], z[e, w, p], z[e, w, n]
        pull = [(a1, a2), (p1, p2), (a1, p1), (a2, p2), (a1, p2), (a2, p1)]
        push = [(a1, n1), (a1, n2), (a2, n1), (a2, n2)]
        total = sum(squared(*pair) for pair in pull) - sum(squared(*pair) for pair in push)
        terms.append(max(0.0, total + 5))
    config = LossConfig("published_triplet", window=WINDOW, published_margin=5)
    assert build_loss(config)(z, times).item() == pytest.approx(sum(terms) / len(terms))


def test_margin_triplet_agrees_with_a_loop() -> None:
    z, times = step()
    unit = F.normalize(z, dim=-1)
    terms = []
    for e, v, w, a in anchors():
        positive = squared(unit[e, v, a], unit[e, w, a])
        far = [
            squared(unit[e, v, a], unit[e, w, n])
            for n in range(6)
            if abs(times[e, a] - times[e, n]) > WINDOW
        ]
        semi_hard = [d for d in far if d > positive]
        negative = min(semi_hard) if semi_hard else max(far)
        terms.append(max(0.0, positive - negative + 0.2))
    config = LossConfig("margin_triplet", window=WINDOW, margin=0.2)
    assert build_loss(config)(z, times).item() == pytest.approx(sum(terms) / len(terms))


def test_n_pairs_agrees_with_a_loop() -> None:
    z, times = step()
    terms = []
    for e, v, w, a in anchors():
        candidates = [n for n in range(6) if n == a or abs(times[e, a] - times[e, n]) > WINDOW]
        logits = torch.stack([z[e, v, a] @ z[e, w, n] / 0.5 for n in candidates])
        terms.append(-logits.log_softmax(0)[candidates.index(a)].item())
    expected = sum(terms) / len(terms) + 0.01 * z.square().sum(-1).mean().item()
    config = LossConfig("n_pairs", window=WINDOW, temperature=0.5, l2=0.01)
    assert build_loss(config)(z, times).item() == pytest.approx(expected)


@pytest.mark.parametrize("sigma", [0.0, 1.5])
def test_contrastive_agrees_with_a_loop(sigma: float) -> None:
    z, times = step()
    unit = F.normalize(z, dim=-1)
    terms = []
    for e, v, w, a in anchors():
        logits = torch.stack([unit[e, v, a] @ unit[e, w, n] / 0.1 for n in range(6)])
        gaps = [abs(times[e, a] - times[e, n]).item() for n in range(6)]
        weights = [
            (math.exp(-0.5 * (gap / sigma) ** 2) if sigma else float(gap == 0)) * (gap <= WINDOW)
            for gap in gaps
        ]
        log_p = logits.log_softmax(0).tolist()
        cross = sum(x * y for x, y in zip(weights, log_p, strict=True))
        terms.append(-cross / sum(weights))
    config = LossConfig("contrastive", window=WINDOW, temperature=0.1, sigma=sigma)
    assert build_loss(config)(z, times).item() == pytest.approx(sum(terms) / len(terms), rel=1e-6)


@pytest.mark.parametrize("sigma", [0.0, 1.0])
def test_contrastive_ignores_what_all_frames_of_a_view_share(sigma: float) -> None:
    # On a sphere the frames of a view differ in two axes, the view's own offset is in a third.
    _, times = step()
    angle = times.double() / 10
    frames = torch.stack([angle.cos(), angle.sin()], dim=-1)[:, None].expand(-1, 3, -1, -1)

    def with_offsets(*offsets: float) -> Tensor:
        own = torch.tensor(offsets, dtype=torch.float64)[None, :, None, None]
        return torch.cat([frames, own.expand(2, 3, 6, 1)], dim=-1)

    loss = build_loss(LossConfig("contrastive", window=WINDOW, sigma=sigma))
    same_length = [loss(with_offsets(*o), times) for o in ((1, 1, 1), (1, -1, 1))]
    torch.testing.assert_close(*same_length)


def test_single_view_triplet_agrees_with_a_loop() -> None:
    z, times = step()
    unit = F.normalize(z, dim=-1)
    terms = []
    for e in range(2):
        for v in range(3):
            for a in range(6):
                for p in range(6):
                    for n in range(6):
                        near = 0 < abs(times[e, a] - times[e, p]) <= WINDOW
                        if near and abs(times[e, a] - times[e, n]) > 2 * WINDOW:
                            pull = squared(unit[e, v, a], unit[e, v, p])
                            push = squared(unit[e, v, a], unit[e, v, n])
                            terms.append(max(0.0, pull - push + 0.2))
    loss = build_loss(LossConfig("single_view_triplet", window=WINDOW))
    assert terms and loss(z, times).item() == pytest.approx(sum(terms) / len(terms))


def test_single_view_triplet_needs_no_other_view() -> None:
    z, times = step(views=1)
    assert build_loss(LossConfig("single_view_triplet", WINDOW))(z, times).isfinite()


@pytest.mark.parametrize("name", get_args(LossName))
class TestEveryLoss:
    def test_embeddings_that_tell_the_time_are_better_than_shuffled_ones(
        self, name: LossName
    ) -> None:
        _, times = step()
        angle = times.double() / 10
        on_circle = 4 * torch.stack([angle.cos(), angle.sin()], dim=-1)
        good = on_circle[:, None].expand(-1, 3, -1, -1)
        bad = torch.stack([on_circle, on_circle.roll(2, 1), on_circle.roll(3, 1)], dim=1)
        loss = build_loss(LossConfig(name, window=WINDOW))
        assert loss(good, times) < loss(bad, times)

    def test_gradient_is_finite_also_for_collapsed_embeddings(self, name: LossName) -> None:
        _, times = step()
        z = torch.full((2, 3, 6, 4), 0.5, requires_grad=True)
        build_loss(LossConfig(name, window=WINDOW))(z, times).backward()
        assert z.grad is not None and z.grad.isfinite().all()

    def test_order_of_views_and_episodes_does_not_matter(self, name: LossName) -> None:
        z, times = step()
        loss = build_loss(LossConfig(name, window=WINDOW))
        torch.testing.assert_close(loss(z, times), loss(z[:, [2, 0, 1]], times))
        torch.testing.assert_close(loss(z, times), loss(z.flip(0), times.flip(0)))

    def test_episodes_are_never_compared(self, name: LossName) -> None:
        z, times = step()
        loss = build_loss(LossConfig(name, window=WINDOW))
        apart = [loss(z[e : e + 1], times[e : e + 1]) for e in range(2)]
        # Both episodes must weigh alike for the plain mean to hold, so repeat one of them.
        torch.testing.assert_close(loss(z[[0, 0]], times[[0, 0]]), apart[0])
        torch.testing.assert_close(loss(z[[1, 1]], times[[1, 1]]), apart[1])


@pytest.mark.parametrize("name", ["n_pairs", "margin_triplet"])
def test_a_single_view_is_refused(name: LossName) -> None:
    z, times = step(views=1)
    with pytest.raises(TooFewViewsError):
        build_loss(LossConfig(name, window=WINDOW))(z, times)


def test_a_window_that_was_left_open_is_refused() -> None:
    with pytest.raises(OptionError):
        build_loss(LossConfig())
