"""TCN's network: soft-argmax by hand, the trunk, sizes of images."""

from __future__ import annotations

import pytest
import torch

from align.models.config import TcnConfig
from align.models.pose_aware import PaatConfig
from align.models.tcn import TcnNetwork, at_patches, spatial_soft_argmax
from datasets.errors import OptionError


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_patches_take_the_features_in_their_middle() -> None:
    network = TcnNetwork(TcnConfig(channels=16, hidden=32)).eval()
    image = torch.randn(1, 3, 112, 112, requires_grad=True)
    before_the_mixed_blocks = network.trunk[:7](image)
    (seen,) = torch.autograd.grad(before_the_mixed_blocks[0, :, 2, 7].sum(), image)
    rows, cols = (seen.abs().sum(dim=(0, 1, other)).nonzero() for other in (3, 2))
    middle = [(side.min() + side.max() + 1).item() / 2 for side in (cols, rows)]
    # A map whose features are the (x, y) of the middles of their receptive fields.
    x, y = torch.meshgrid(13.5 + 8 * torch.arange(11), 13.5 + 8 * torch.arange(11), indexing="xy")
    where = torch.stack([x, y])
    assert where[:, 2, 7].tolist() == middle

    patches = at_patches(where.unsqueeze(0), (112, 112)).view(14, 14, 2)
    x, y = torch.meshgrid(4 + 8 * torch.arange(14), 4 + 8 * torch.arange(14), indexing="xy")
    torch.testing.assert_close(patches, torch.stack([x, y], dim=-1).float().clamp(13.5, 93.5))


@pytest.mark.slow
def test_paat_asks_the_trunk_in_training_alone_and_changes_no_embedding() -> None:
    images, networks = torch.randn(2, 3, 48, 56), []
    for paat in (None, PaatConfig()):
        torch.manual_seed(0)
        networks.append(TcnNetwork(TcnConfig(channels=16, hidden=32), False, paat, 5))
    plain, aware = (network(images) for network in networks)
    assert torch.equal(plain.embedding, aware.embedding) and plain.pose_logits == {}
    assert aware.pose_logits[1].shape == (2, 1, 6 * 7, 5)
    aware.pose_logits[1].sum().backward()
    assert networks[1].trunk[0].conv.weight.grad.abs().max() > 0
    assert networks[1].eval()(images).pose_logits == {}


@pytest.mark.slow
def test_paat_needs_the_number_of_keypoints() -> None:
    with pytest.raises(OptionError, match="num_keypoints"):
        TcnNetwork(TcnConfig(channels=16, hidden=32), paat=PaatConfig())
