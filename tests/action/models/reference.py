"""Reference outputs of the published recognisers (tests/action/oracles), and their weights.

The files hold numbers that the published code computed. Most weights are not stored: rule R (see
README.md beside the files) gives tensor number k from a generator seeded with k.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor, nn

FOLDER = Path(__file__).resolve().parents[1] / "oracles"


class Oracle(NamedTuple):
    """A file: its tensors, the rows `[k, role, shape, kind]` of its weights, and its settings."""

    tensors: dict[str, Tensor]
    parameters: list[list[Any]]
    configuration: dict[str, Any]

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def weights(self) -> dict[str, Tensor]:
        """The stored weights, without their prefix."""
        prefix = "weights."
        return {
            name.removeprefix(prefix): value
            for name, value in self.tensors.items()
            if name.startswith(prefix)
        }


def load(name: str) -> Oracle:
    with safe_open(FOLDER / f"{name}.safetensors", "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        meta = file.metadata()
    return Oracle(
        tensors, json.loads(meta.get("parameters", "[]")), json.loads(meta["configuration"])
    )


def by_rule(number: int, shape: list[int], kind: str, gain: float) -> Tensor:
    """Tensor `number` by rule R; Keras's kernels in PyTorch's order of axes."""
    drawn = np.random.RandomState(number).uniform(-1, 1, int(np.prod(shape))).reshape(shape)
    if kind.startswith("weight"):
        is_keras = kind != "weight"
        fan_in = np.prod(shape[:-1] if is_keras else shape[1:])
        drawn = drawn * np.sqrt(gain / fan_in)
        if is_keras:
            drawn = drawn.transpose(-1, -2, *range(len(shape) - 2))
    else:
        offset, factor = {
            "bias": (0, 0.1),
            "scale": (1, 0.2),
            "mean": (0, 0.1),
            "var": (1, 0.5),
            "edges": (1, 0.5),
            "0.5 u": (0, 0.5),
        }[kind]
        drawn = offset + factor * drawn
    return torch.from_numpy(np.ascontiguousarray(drawn, dtype=np.float32))


def tensors_of(*modules: nn.Module) -> list[Tensor]:
    """Weights and running statistics in the order in which modules register them."""
    return [
        value
        for module in modules
        for name, value in module.state_dict(keep_vars=True).items()
        if not name.endswith("num_batches_tracked")
    ]


def fill(tensors: Iterable[Tensor], parameters: list[list[Any]], gain: float) -> None:
    """Fills tensors, in the order of the rows, by rule R."""
    rows = [row for row in parameters if row[0] >= 0]
    for tensor, (number, role, shape, kind) in zip(tensors, rows, strict=True):
        assert tensor.numel() == np.prod(shape), (role, tuple(tensor.shape), shape)
        tensor.data.copy_(by_rule(number, shape, kind, gain).reshape(tensor.shape))


def digest(values: Tensor) -> Tensor:
    """Mean, deviation, least, greatest, and the first and last four values."""
    flat = values.detach().double().flatten()
    summary = torch.stack([flat.mean(), flat.std(correction=0), flat.min(), flat.max()])
    return torch.cat([summary, flat[:4], flat[-4:]]).float()


def difference(ours: Tensor, theirs: Tensor) -> float:
    """The greatest difference of two tensors of one shape."""
    assert ours.shape == theirs.shape, (tuple(ours.shape), tuple(theirs.shape))
    return float((ours.detach().float() - theirs.detach().float()).abs().max())


def assert_agrees(ours: Tensor, theirs: Tensor, reached: float = 0.0) -> None:
    """Allows 1e-5 of the largest value, or ten times what an independent code reached."""
    largest = float(theirs.detach().abs().max())
    allowed = max(1e-5 * largest, 10 * reached)
    # `pytest -rP` shows by how much each output differs.
    print(f"differs by {difference(ours, theirs):.1e} of {largest:.2g}")
    assert difference(ours, theirs) <= allowed, f"{difference(ours, theirs)} > {allowed}"


def parameters(module: nn.Module) -> int:
    """How many numbers a module learns."""
    return sum(parameter.numel() for parameter in module.parameters())
