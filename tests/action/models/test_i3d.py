"""I3D agrees with the published code at even and odd sizes, and through its published head."""

import numpy as np
import pytest
import torch

from action.models.i3d import I3d, Unit, pad_same
from tests.action.models.reference import assert_agrees, digest, fill, load, parameters, tensors_of


@pytest.fixture(scope="module")
def oracle():
    return load("i3d")


@pytest.fixture(scope="module")
def model(oracle):
    model = I3d(60).eval()
    fill(tensors_of(model), oracle.parameters, oracle.configuration["gain"])
    return model


def features(model: I3d, pixels: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The last map, and a digest of the output of every stage."""
    seen = []
    hooks = [
        stage.register_forward_hook(lambda module, inputs, output: seen.append(digest(output)))
        for stage in model.trunk
    ]
    output = model.trunk(pixels[None].float() / 127.5 - 1)
    for hook in hooks:
        hook.remove()
    return output, seen


@pytest.mark.slow
@pytest.mark.parametrize("size", ["small", "odd"])
@torch.no_grad()
def test_every_end_point_agrees(model, oracle, size):
    output, seen = features(model, oracle[f"{size}.input"])
    names = list(oracle.configuration[f"shapes.{size}"])
    assert len(seen) == len(names)
    for values, name in zip(seen, names, strict=True):
        assert_agrees(values, oracle[f"{size}.digest.{name}"])
    assert_agrees(output, oracle[f"{size}.Mixed_5c"])
    if size == "small":
        assert_agrees(model.logits_over_time(output).mean(2), oracle["small.logits_of_mean"])


@pytest.mark.slow
@torch.no_grad()
def test_published_head_agrees(model, oracle):
    coarse = np.random.RandomState(2002).randint(0, 256, (3, 12, 28, 28)).astype(np.uint8)
    pixels = torch.from_numpy(coarse.repeat(2, axis=1).repeat(8, axis=2).repeat(8, axis=3))
    assert torch.equal(pixels[:, 0, :4, :24], oracle["large.first_pixels"])
    output, _ = features(model, pixels)
    model.pool = "published"
    over_time = model.logits_over_time(output)
    model.pool = "map"
    assert_agrees(over_time, oracle["large.logits_over_time"])
    assert_agrees(over_time.mean(2), oracle["large.logits"])


@pytest.mark.slow
def test_number_of_parameters():
    assert parameters(I3d(60)) == 12_348_764
    assert parameters(I3d(400)) == 12_697_264


@pytest.mark.parametrize("n", [5, 6, 7, 8])
def test_padding_keeps_the_rounded_up_share(n):
    unit = Unit(1, 1, kernel=3, stride=2)
    assert unit(torch.zeros(1, 1, n, n, n)).shape[-1] == -(-n // 2)
    ones = pad_same(torch.ones(1, 1, n), (3,), (2,))
    assert ones[0, 0, -1] == 0  # what is odd is padded behind
