"""The view-disentangled baseline: swapped codes, decoded images, gradients."""

from __future__ import annotations

import pytest
import torch

from align.models.config import DisentangleConfig
from align.models.disentangle import Disentangler, permutation_losses, swapped
from datasets.errors import OptionError

SMALL = DisentangleConfig(state=6, viewpoint=3, image=16, channels=32)


def test_states_are_swapped_across_views_and_viewpoints_across_neighbouring_moments() -> None:
    code = torch.arange(2 * 3 * 4).view(2, 3, 4, 1)
    state, viewpoint = swapped(code, code)
    for e in range(2):
        for v in range(3):
            for t in range(4):
                assert state[e, v, t] == code[e, (v + 1) % 3, t]
                assert viewpoint[e, v, t] == code[e, v, t + 1 if t < 3 else 2]


@pytest.mark.slow
def test_the_target_is_the_frame_averaged_down() -> None:
    model = Disentangler(SMALL)
    frames = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    expected = (frames / 255).unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(-1, -2))
    torch.testing.assert_close(model.target(frames), expected)


@pytest.mark.slow
def test_losses_are_errors_of_own_and_of_swapped_codes() -> None:
    torch.manual_seed(0)
    model = Disentangler(SMALL).eval()
    frames = torch.randint(0, 256, (1, 2, 3, 3, 32, 32), dtype=torch.uint8)
    codes = model((frames / 255).flatten(0, 2))
    state, viewpoint = (code.view(1, 2, 3, -1) for code in codes)
    losses = permutation_losses(model, state, viewpoint, frames)
    own, mixed = [], []
    for v in range(2):
        for t in range(3):
            target = model.target(frames[:, v, t])
            decoded = model.decode(state[:, v, t], viewpoint[:, v, t])
            own.append((decoded - target).square().mean())
            near = t + 1 if t < 2 else 1
            decoded = model.decode(state[:, 1 - v, t], viewpoint[:, v, near])
            mixed.append((decoded - target).square().mean())
    torch.testing.assert_close(losses["reconstruction"], torch.stack(own).mean())
    torch.testing.assert_close(losses["swapped"], torch.stack(mixed).mean())


@pytest.mark.slow
def test_losses_reach_both_encoders_and_the_decoder() -> None:
    model = Disentangler(SMALL)
    frames = torch.randint(0, 256, (1, 2, 2, 3, 32, 32), dtype=torch.uint8)
    state, viewpoint = (c.view(1, 2, 2, -1) for c in model((frames / 255).flatten(0, 2)))
    sum(permutation_losses(model, state, viewpoint, frames).values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("image", [4, 20, 33])
def test_a_size_that_doubling_does_not_reach_is_refused(image: int) -> None:
    with pytest.raises(OptionError, match=rf"\b{image}$"):
        Disentangler(DisentangleConfig(image=image))


def test_an_unknown_encoder_is_named() -> None:
    with pytest.raises(OptionError, match="regnetx_003"):
        Disentangler(DisentangleConfig(encoder="regnetx_003"))
