"""Fixtures for every package's tests."""

import gc
import os
import shutil
from pathlib import Path

# These are set before torch or a renderer is imported, and are inherited by the processes that
# tests start. Models and pictures this small gain nothing from threads, and with a worker of
# pytest-xdist on every core, threads wait for each other most of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("LP_NUM_THREADS", "0")  # Mesa's rasterizer draws in the calling thread

import pytest

# torch comes before any simulator: loaded after their libraries, it has crashed the process. Which
# test is the first of a process is open, because a worker of pytest-xdist may start with any.
import torch
from hypothesis import settings

from tests.shared import made_once

torch.set_num_threads(1)  # also where the environment asks for more: one thread gives the same sums

# The duration of an example says nothing on a busy machine.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def lift_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four rendered Lift episodes of `ego` and two third-person views, 64x64, split 2/1/1.

    Tests only read them.
    """
    from sims.generate import GenerateConfig, generate

    def make(folder: Path) -> None:
        options = {"views": 2, "episodes": 4, "size": 64, "workers": 2, "split": "2,1,1"}
        generate(GenerateConfig(out=folder / "lift", **options))

    return made_once(tmp_path_factory, "lift_dataset", make) / "lift"


@pytest.fixture(scope="session", autouse=True)
def _clips_are_checked_for_these_tests_alone(tmp_path_factory: pytest.TempPathFactory):
    # The user's own list would grow by the files of every run of the tests.
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datasets.clips.checked.user_cache", lambda: folder)
        yield


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser of this machine."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is installed")
    os.environ.setdefault("NO_PROXY", "127.0.0.1")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str):
    """A Chromium that Playwright drives."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def pytest_collection_finish() -> None:
    """Leaves what imports have made out of every later garbage collection."""
    gc.collect()
    gc.freeze()
