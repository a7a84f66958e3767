"""Runs from before an option was removed."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from align.config import TrainConfig
from align.engine.stored_config import REMOVED
from datasets.errors import FormatError


def store(folder: Path, name: str, value: object) -> None:
    """A run's configuration as it was when there was such an option."""
    TrainConfig().save(folder)
    path = folder / "config.json"
    stored = json.loads(path.read_text())
    *sections, option = name.split(".")
    section = stored
    for key in sections:
        section = section[key]
    assert option not in section
    section[option] = value
    path.write_text(json.dumps(stored))


@pytest.mark.parametrize("name", REMOVED)
def test_a_run_that_did_what_is_done_now_opens_without_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    store(tmp_path, name, REMOVED[name])
    with caplog.at_level(logging.WARNING):
        assert TrainConfig.load(tmp_path) == TrainConfig()
    assert not caplog.records


@pytest.mark.parametrize("name", REMOVED)
def test_a_run_that_did_something_else_is_refused(tmp_path: Path, name: str) -> None:
    store(tmp_path, name, "something else")
    with pytest.raises(FormatError, match=f"{name} = 'something else'"):
        TrainConfig.load(tmp_path)
