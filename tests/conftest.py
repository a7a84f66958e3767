"""Fixtures for every package's tests."""

from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says nothing on a busy machine.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def lift_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four rendered Lift episodes of `ego` and two third-person views, 64x64, split 2/1/1."""
    from sims.generate import GenerateConfig, generate

    root = tmp_path_factory.mktemp("data") / "lift"
    generate(GenerateConfig(views=2, episodes=4, size=64, out=root, workers=2, split="2,1,1"))
    return root
