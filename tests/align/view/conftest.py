"""Two runs and two videos to look at, and a served page, made once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from align.losses.config import LossConfig
from align.train import make_trainer
from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset
from datasets.video import write_video
from tests.align.conftest import tiny_config
from tests.datasets.unpaired_files import make_unpaired
from tests.pages import served


@pytest.fixture(scope="session")
def viewed_runs(dots: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A run of deit and one of paab."""
    root = tmp_path_factory.mktemp("viewed")
    for method in ("deit", "paab"):
        make_trainer(tiny_config(dots, root / method, method, epochs=1), progress=False).fit()
    return [root / "deit", root / "paab"]


@pytest.fixture(scope="session")
def unpaired_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on unpaired videos."""
    root = tmp_path_factory.mktemp("unpaired")
    convert(ConvertConfig(make_unpaired(root / "ae2"), root / "dots", "episodes"))
    config = tiny_config(root / "dots", root / "run", epochs=1, loss=LossConfig("time_reversed"))
    make_trainer(config, progress=False).fit()
    return root / "run"


@pytest.fixture(scope="session")
def two_videos(dots: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two cameras of one episode, the second one wide and started three frames later."""
    data, root = EpisodeDataset(dots, "test"), tmp_path_factory.mktemp("two")
    write_video(root / "first.mp4", data.images(0, "view_0"), 10.0, crf=0)
    late = data.images(0, "view_1")[3:].repeat(2, axis=2)
    write_video(root / "late.mp4", late, 10.0, crf=0)
    return [root / "first.mp4", root / "late.mp4"]


@pytest.fixture(scope="session")
def serve() -> Callable[..., AbstractContextManager[str]]:
    """Serves a page by the command, as a user does, and gives its address."""
    return partial(served, "align.view")
