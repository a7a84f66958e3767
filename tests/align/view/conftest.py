"""Two runs and two videos to look at, and a served page, made once."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from align.train import make_trainer
from datasets.episodes import EpisodeDataset
from datasets.video import write_video
from tests import REPOSITORY
from tests.align.conftest import tiny_config


@pytest.fixture(scope="session")
def viewed_runs(dots: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A run of deit and one of paab."""
    root = tmp_path_factory.mktemp("viewed")
    for method in ("deit", "paab"):
        make_trainer(tiny_config(dots, root / method, method, epochs=1), progress=False).fit()
    return [root / "deit", root / "paab"]


@pytest.fixture(scope="session")
def two_videos(dots: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two cameras of one episode, the second one wide and started three frames later."""
    data, root = EpisodeDataset(dots, "test"), tmp_path_factory.mktemp("two")
    write_video(root / "first.mp4", data.images(0, "view_0"), 10.0, crf=0)
    late = data.images(0, "view_1")[3:].repeat(2, axis=2)
    write_video(root / "late.mp4", late, 10.0, crf=0)
    return [root / "first.mp4", root / "late.mp4"]


Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Serves a page by the command, as a user does, and gives its address."""

    @contextmanager
    def served(*words: object) -> Iterator[str]:
        command = [sys.executable, "-m", "align.view", *map(str, words), "--port", "0"]
        # A shell's background jobs ignore SIGINT, and their processes inherit it.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        process = subprocess.Popen(
            command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        signal.signal(signal.SIGINT, before)
        assert process.stdout is not None and process.stderr is not None
        try:
            found = re.match(r"(http://\S+/) ", process.stdout.readline())
            assert found, process.stderr.read()
            yield found[1]
        finally:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        assert (process.returncode, said.splitlines()[-1:]) == (130, ["stopped."]), said

    return served


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser of this machine."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is installed")
    os.environ.setdefault("NO_PROXY", "127.0.0.1")
    return found
