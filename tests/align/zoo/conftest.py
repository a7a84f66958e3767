from __future__ import annotations

from pathlib import Path

import pytest

from align.evaluate import evaluate
from align.train import make_trainer
from tests.align.conftest import tiny_config


@pytest.fixture(scope="session")
def measured(dots: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run that was measured on its own test episodes."""
    out = tmp_path_factory.mktemp("zoo") / "late_seed0"
    make_trainer(tiny_config(dots, out, "late", epochs=1), progress=False).fit()
    evaluate(out, progress=False)
    return out


@pytest.fixture(autouse=True)
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of fetched models."""
    folder = tmp_path / "fetched"
    monkeypatch.setenv("POSEALIGN_ZOO", str(folder))
    return folder
