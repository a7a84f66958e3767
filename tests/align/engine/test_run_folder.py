"""The files of a run, whether its results are current, and the runs that a command suggests."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from torch import nn

from action.config import ActionConfig
from align.config import TrainConfig
from align.engine.checkpoint import CheckpointError, save_checkpoint
from align.engine.run_folder import NoRunError, RunFolder, newest_runs, require_runs


def save_at(config: TrainConfig | ActionConfig, folder: Path, seconds: float) -> Path:
    config.save(folder)
    os.utime(RunFolder(folder).config, (seconds, seconds))
    return folder


def test_history_keeps_nan_apart_from_what_was_not_measured(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.save_history([{"epoch": 1.0, "loss": 0.1}, {"epoch": 2.0, "tau": math.nan}])
    first, second = run.load_history()
    assert first == {"epoch": 1.0, "loss": 0.1}
    assert second.keys() == {"epoch", "tau"} and math.isnan(second["tau"])


def test_a_run_is_finished_when_its_last_checkpoint_says_so(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert not run.started and not run.finished
    for finished in (False, True):
        save_checkpoint(run.checkpoint("last"), nn.Linear(1, 1), {"finished": finished})
        assert run.started and run.finished is finished
    run.checkpoint("last").write_bytes(b"half")
    with pytest.raises(CheckpointError):
        assert run.finished


def test_a_result_is_current_until_the_weights_change(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    result, weights = run.evaluation("test"), run.checkpoint("best")
    assert not run.is_newer_than_checkpoint(result)
    for path in (result, weights):
        path.parent.mkdir()
        path.touch()
    for seconds, current in ((10, False), (30, True)):
        os.utime(result, (seconds, seconds))
        os.utime(weights, (20, 20))
        assert run.is_newer_than_checkpoint(result) is current
    os.utime(result, (10, 10))
    weights.unlink()
    assert run.is_newer_than_checkpoint(result)


def test_the_newest_runs_of_the_command_are_suggested(tmp_path: Path) -> None:
    old = save_at(TrainConfig(), tmp_path / "old", 10)
    new = save_at(TrainConfig(), tmp_path / "grid" / "lift_seen" / "deit_seed0", 30)
    other = save_at(ActionConfig(), tmp_path / "recognition", 20)
    (tmp_path / "damaged").mkdir()
    RunFolder(tmp_path / "damaged").config.write_text("{")
    assert newest_runs(TrainConfig, tmp_path) == [new, old]
    assert newest_runs(ActionConfig, tmp_path) == [other]
    with pytest.raises(NoRunError, match=f"{new}, {old}"):
        require_runs([], TrainConfig, tmp_path)
    with pytest.raises(NoRunError):
        require_runs([], TrainConfig, tmp_path / "nowhere")
    missing = tmp_path / "misspelt"
    with pytest.raises(NoRunError, match=f"no {missing}/config.json: .*{new}"):
        require_runs([missing], TrainConfig, tmp_path)
    require_runs([missing, old], TrainConfig, tmp_path)
