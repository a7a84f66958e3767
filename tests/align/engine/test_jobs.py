"""Work on a run that is done once: training, and each of its measurements."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from align.engine import jobs
from align.engine.checkpoint import save_checkpoint
from align.engine.jobs import Measurement, default_jobs, train_and_measure
from align.engine.run_folder import RunFolder


class Recorder:
    """A run that records what is done to it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.run = folder, RunFolder(folder)
        self.done: list[str] = []
        self.usable = True

    def open(self, on_step: Callable[[float], object]) -> Any:
        on_step(0.5)
        return self

    def fit(self) -> None:
        self.done.append("train")
        for name in ("best", "last"):
            save_checkpoint(self.run.checkpoint(name), nn.Linear(1, 1), {"finished": True})  # type: ignore[arg-type]

    def measure(self) -> None:
        self.done.append("measure")
        path = self.run.evaluation("test")
        path.parent.mkdir(exist_ok=True)
        path.touch()

    def work(self) -> list[str]:
        self.done.clear()
        wanted = Measurement(self.run.evaluation("test"), lambda: self.usable, self.measure)
        train_and_measure(self.open, [wanted], 0)
        return list(self.done)


def test_what_has_been_done_is_not_repeated(tmp_path: Path) -> None:
    run = Recorder(tmp_path)
    assert run.work() == ["train", "measure"]
    assert run.work() == []
    run.usable = False
    assert run.work() == ["measure"]
    run.usable = True
    os.utime(run.run.checkpoint("best"), (2**31, 2**31))
    assert run.work() == ["measure"]


@pytest.mark.parametrize(("allowed", "share", "expected"), [(1, 2, 1), (4, 2, 2)])
def test_a_worker_has_its_share_of_the_cores_and_no_more_threads_than_are_allowed(
    monkeypatch: pytest.MonkeyPatch, allowed: int, share: int, expected: int
) -> None:
    given: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: allowed)
    monkeypatch.setattr(torch, "set_num_threads", given.append)
    jobs.start_worker([], share)
    assert given == [expected]


@pytest.mark.parametrize(("gpus", "cores", "expected"), [(2, 64, 1), (0, 64, 4), (0, 2, 2)])
def test_one_run_at_a_time_on_a_gpu_and_a_few_on_cores(
    monkeypatch: pytest.MonkeyPatch, gpus: int, cores: int, expected: int
) -> None:
    monkeypatch.setattr(jobs, "count_gpus", lambda: gpus)
    monkeypatch.setattr(jobs.os, "cpu_count", lambda: cores)
    assert default_jobs() == expected
