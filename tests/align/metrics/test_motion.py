"""Embeddings of moments in motion."""

from __future__ import annotations

import torch

from align.metrics.alignment import pair_metrics
from align.metrics.decoding import REACH, WEIGHT, with_motion


def there_and_back(noise: float, seed: int) -> torch.Tensor:
    """The same places on the way back, seen not quite alike by every view."""
    place = 1 - torch.linspace(-1, 1, 60).abs()
    generator = torch.Generator().manual_seed(seed)
    return place[:, None] + noise * torch.randn(60, 1, generator=generator)


def test_it_distinguishes_the_way_there_from_the_way_back() -> None:
    views = there_and_back(0.01, 0), there_and_back(0.01, 1)
    still = pair_metrics(*views)["alignment_error"]
    moving = pair_metrics(*map(with_motion, views))["alignment_error"]
    assert still > 0.15 and moving < 0.03


def test_a_steady_change_is_the_same_everywhere_but_at_the_ends() -> None:
    z = torch.arange(40.0)[:, None]
    smooth, change = with_motion(z).unbind(dim=1)
    reach = round(REACH * 40)
    torch.testing.assert_close(change[12:-12], torch.full((16,), WEIGHT * 2 * reach))
    torch.testing.assert_close(smooth[12:-12], z[12:-12, 0])
    # At the ends there is less to look back or ahead to.
    assert change[0] < 0.6 * change[20] and change[-1] < 0.6 * change[20]


def test_what_stands_still_has_no_motion() -> None:
    z = torch.randn(1, 5).expand(7, 5)
    joined = with_motion(z)
    assert joined.shape == (7, 10) and joined.dtype == z.dtype
    torch.testing.assert_close(joined, torch.cat([z, torch.zeros(7, 5)], dim=1))
    assert with_motion(torch.randn(1, 3)).shape == (1, 6)


def test_time_reversed_reverses_the_change_alone() -> None:
    z = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    forwards, backwards = with_motion(z), with_motion(z.flip(0)).flip(0)
    torch.testing.assert_close(backwards[:, :4], forwards[:, :4])
    torch.testing.assert_close(backwards[:, 4:], -forwards[:, 4:])
