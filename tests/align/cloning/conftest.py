from __future__ import annotations

from pathlib import Path

import pytest

from align.train import make_trainer
from tests.align.conftest import tiny_config


@pytest.fixture(scope="session")
def deit(dots: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that needs frames alone."""
    out = tmp_path_factory.mktemp("cloning") / "deit_seed0"
    make_trainer(tiny_config(dots, out, epochs=1), progress=False).fit()
    return out
