"""Small runs on moving dots, made once for all tests of training and what follows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from align.config import BackboneConfig, TrainConfig
from align.engine.config import OptimConfig
from align.inputs.data import BatchConfig
from align.methods import Method
from align.models.disentangle import DisentangleConfig
from align.models.tcn import TcnConfig
from tests.align.hand_made_runs import make_data, make_runs
from tests.datasets.synthetic import make_data_set


@pytest.fixture(scope="session")
def dots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A learnable data set: 6 training, 2 validation and 2 test episodes from 3 views."""
    return make_data_set(
        tmp_path_factory.mktemp("dots"),
        episodes=10,
        views=2,
        size=48,
        splits={"train": range(6), "valid": range(6, 8), "test": range(8, 10)},
    )


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set that hand-made runs were measured on."""
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Hand-made runs of three methods."""
    return make_runs(tmp_path_factory.mktemp("runs"), data)


def tiny_config(data: Path, out: Path, method: Method = "deit", **changes: object) -> TrainConfig:
    """A configuration that trains in seconds."""
    options: dict[str, object] = {
        "method": method,
        "data": data,
        "out": out,
        "epochs": 2,
        "validate_every": 1,
        "backbone": BackboneConfig(depth=2),
        "batch": BatchConfig(episodes=2, times=8),
        "optim": OptimConfig(lr=1e-3),  # for a few dozen steps
        "tcn": TcnConfig(channels=64, hidden=128),
        "disentangle": DisentangleConfig("test_resnet", image=16, channels=64),
    }
    return TrainConfig(**options | changes)  # type: ignore[arg-type]
