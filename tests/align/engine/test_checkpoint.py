"""Checkpoints: whole or not at all, restored exactly, refused with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from align.engine.checkpoint import (
    CheckpointError,
    DamagedCheckpointError,
    MissingCheckpointError,
    OtherModelError,
    load_checkpoint,
    load_trained,
    read_state,
    save_checkpoint,
)


def trained(optimizer_type: type[torch.optim.Optimizer]) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, affine=False), nn.Linear(4, 2))
    optimizer = optimizer_type(model.parameters(), lr=0.1)
    for _ in range(3):
        model(torch.randn(8, 3)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return model, optimizer


@pytest.mark.parametrize("optimizer_type", [torch.optim.AdamW, torch.optim.Adam])
def test_restores_model_and_optimizer_exactly(
    tmp_path: Path, optimizer_type: type[torch.optim.Optimizer]
) -> None:
    model, optimizer = trained(optimizer_type)
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, model, {"epoch": 3, "best": 0.25}, optimizer)
    restored, fresh = trained(optimizer_type)
    with torch.no_grad():
        for parameter in restored.parameters():
            parameter.zero_()
    assert load_checkpoint(path, restored, fresh) == {"epoch": 3, "best": 0.25}
    x = torch.randn(8, 3)
    for m, o in ((model, optimizer), (restored, fresh)):
        m(x).square().sum().backward()
        o.step()
    for a, b in zip(model.state_dict().values(), restored.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_leaves_no_other_file(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "best.safetensors", nn.Linear(2, 2), {})
    assert [path.name for path in tmp_path.iterdir()] == ["best.safetensors"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9, 0.99])
def test_a_truncated_file_is_named(tmp_path: Path, share: float) -> None:
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, nn.Linear(50, 50), {"epoch": 1})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DamagedCheckpointError, match=r"last\.safetensors"):
        load_checkpoint(path, nn.Linear(50, 50))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingCheckpointError, match=r"best\.safetensors"):
        read_state(tmp_path / "best.safetensors")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (nn.Linear(3, 2), r"weight .*\(4, 3\), .*\(2, 3\)"),
        (nn.Linear(3, 4, bias=False), "has bias"),
        (nn.Sequential(nn.Linear(3, 4)), "lacks 0.weight"),
    ],
)
def test_another_architecture_is_refused_and_left_as_it_was(
    tmp_path: Path, other: nn.Module, reason: str
) -> None:
    path = tmp_path / "best.safetensors"
    save_checkpoint(path, nn.Linear(3, 4), {})
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(OtherModelError, match=reason):
        load_checkpoint(path, other)
    for name, value in other.state_dict().items():
        assert torch.equal(value, before[name])


def test_best_cannot_be_resumed_from(tmp_path: Path) -> None:
    model, optimizer = trained(torch.optim.AdamW)
    path = tmp_path / "best.safetensors"
    save_checkpoint(path, model, {})
    with pytest.raises(CheckpointError, match="`last`"):
        load_checkpoint(path, model, optimizer)


def test_weights_of_a_training_that_diverged_are_refused(tmp_path: Path) -> None:
    model, _ = trained(torch.optim.AdamW)
    path = tmp_path / "best.safetensors"
    next(iter(model.parameters())).data[0] = torch.nan
    save_checkpoint(path, model, {})
    with pytest.raises(CheckpointError, match=r"best\.safetensors has weights that are not finite"):
        load_trained(model, path)
