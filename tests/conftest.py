"""Fixtures for every package's tests."""

import os
from pathlib import Path

# Before torch is imported, here and in the processes that tests start: models this small gain
# nothing from threads, which on a busy machine wait for each other most of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

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
