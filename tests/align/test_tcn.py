"""TCN's network: soft-argmax by hand, the trunk, sizes of images."""

from __future__ import annotations

import pytest
import torch

from align.tcn import TcnConfig, TcnNetwork, spatial_soft_argmax


def test_soft_argmax_finds_peaks_and_is_in_the_middle_without_any() -> None:
    features = torch.zeros(1, 3, 3, 5)
    features[0, 0, 2, 0] = 100.0  # bottom left
    features[0, 1, 1, 4] = 100.0  # right, half way down
    points = spatial_soft_argmax(features)[0]
    expected = torch.tensor([[-1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(points, expected)


def test_soft_argmax_weighs_positions_by_the_softmax() -> None:
    # One row of three columns: x is the mean of -1, 0, 1 under the softmax.
    features = torch.tensor([0.0, 1.0, 3.0]).view(1, 1, 1, 3)
    weights = features.flatten().softmax(0)
    x, y = spatial_soft_argmax(features)[0, 0].tolist()
    assert x == pytest.approx((weights[2] - weights[0]).item()) and y == 0


@pytest.mark.parametrize("size", [48, 112])
def test_it_embeds_small_images(size: int) -> None:
    torch.manual_seed(0)
    network = TcnNetwork(TcnConfig(channels=16, hidden=32)).eval()
    output = network(torch.randn(2, 3, size, size))
    assert output.embedding.shape == (2, 32) == (2, network.embed_dim)
    assert output.points.shape == (2, 16, 2) and output.points.abs().max() <= 1
    # Mixed_5d halves three times, with borders: 3 positions at 48 pixels, 11 at 112.
    trunk = network.trunk(torch.randn(1, 3, size, size))
    assert trunk.shape == (1, 288, *[{48: 3, 112: 11}[size]] * 2)
