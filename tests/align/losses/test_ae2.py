"""The losses that AE2's code compares, against the values and gradients which that code gives."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from align.losses.build import build_loss
from align.losses.config import UNPAIRED_LOSSES, LossConfig, LossName
from align.losses.global_consistency import alignment_table, pair_consistency
from align.losses.optimal_transport import pair_vava, transport
from tests import ORACLES
from tests.align.losses.steps import WINDOW, step

# The tables of long embeddings reach thousands, so that single precision loses digits.
GRADIENT_WITHIN = {"unit": 1e-4, "raw": 2e-3}


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    return load_file(ORACLES / "ae2_losses.safetensors")


def sequences(published: dict[str, Tensor], kind: str) -> Tensor:
    name = "embeddings_unit" if kind == "unit" else "embeddings"
    return published[name].clone().requires_grad_()


def require_same(published: dict[str, Tensor], name: str, value: Tensor, z: Tensor) -> None:
    kind = name.split(".")[0]
    torch.testing.assert_close(value, published[name], rtol=1e-5, atol=0)
    value.backward()
    gradient = published[f"{name}.gradient"]
    assert z.grad is not None
    off = (z.grad - gradient).abs().max() / gradient.abs().max()
    assert off < GRADIENT_WITHIN[kind]


@pytest.mark.parametrize("kind", ["unit", "raw"])
def test_dtw_consistency_is_that_of_the_published_code(
    published: dict[str, Tensor], kind: str
) -> None:
    z = sequences(published, kind)
    value = pair_consistency(z[:, 0], z[:, 1])
    require_same(published, f"{kind}.dtw_consistency", value, z)


@pytest.mark.parametrize("kind", ["unit", "raw"])
def test_the_table_of_costs_is_that_of_the_published_code(
    published: dict[str, Tensor], kind: str
) -> None:
    z = sequences(published, kind)
    table = alignment_table(z[:1, 0], z[:1, 1])[0]
    torch.testing.assert_close(table, published[f"{kind}.dtw_table"], rtol=1e-5, atol=1e-4)


def test_the_table_holds_the_cost_of_the_only_way_between_two_frames_and_one() -> None:
    x, y = torch.tensor([[[0.1], [0.2]]]), torch.tensor([[[1.0]]])
    cost = -torch.tensor([1.0, 2.0]).log_softmax(0)
    torch.testing.assert_close(alignment_table(x, y)[0, :, 0], cost.cumsum(0))


@pytest.mark.parametrize("at", [0, 400])
@pytest.mark.parametrize("kind", ["unit", "raw"])
def test_vava_is_that_of_the_published_code(
    published: dict[str, Tensor], kind: str, at: int
) -> None:
    z = sequences(published, kind)
    name = f"{kind}.vava_step{at}"
    cost, moved = transport(z[:, 0], z[:, 1], at)
    torch.testing.assert_close(cost[0], published[f"{name}.transport_cost"], rtol=1e-5, atol=0)
    largest = published[f"{name}.U"].max().item()
    torch.testing.assert_close(moved[0], published[f"{name}.U"], rtol=0, atol=1e-5 * largest)
    require_same(published, name, pair_vava(z[:, 0], z[:, 1], at).mean(), z)


@pytest.mark.parametrize("name", ["dtw_consistency", "vava"])
def test_a_loss_of_a_step_is_the_mean_over_both_orders(
    published: dict[str, Tensor], name: LossName
) -> None:
    z = published["embeddings_unit"]
    times = torch.arange(20).expand(2, -1)
    pair = {"vava": lambda x, y: pair_vava(x, y, 400).mean(), "dtw_consistency": pair_consistency}
    both = [pair[name](z[:, i], z[:, 1 - i]) for i in range(2)]
    value = build_loss(LossConfig(name, WINDOW))(z, times, 400)
    torch.testing.assert_close(value, torch.stack(both).mean())


@pytest.mark.parametrize("name", UNPAIRED_LOSSES)
class TestUnpaired:
    def test_shared_moments_may_be_given_view_by_view(self, name: LossName) -> None:
        z, times = step()
        loss = build_loss(LossConfig(name, WINDOW))
        torch.testing.assert_close(loss(z, times), loss(z, times[:, None].expand(-1, 3, -1)))

    def test_each_video_has_moments_of_its_own(self, name: LossName) -> None:
        z, times = step(views=2)
        apart = torch.stack([times, times * 2 + 1], dim=1)
        order = [3, 0, 5, 1, 4, 2]
        loss = build_loss(LossConfig(name, WINDOW))
        mixed = torch.stack([z[:, 0], z[:, 1][:, order]], dim=1)
        mixed_times = torch.stack([apart[:, 0], apart[:, 1][:, order]], dim=1)
        torch.testing.assert_close(loss(z, apart), loss(mixed, mixed_times))
