"""Training runs that kill themselves at a chosen moment, each in its own process."""

from __future__ import annotations

import csv
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from datasets.storage import atomic
from tests.repository.processes import exit_code, start_process
from tests.repository.tiny_runs import TinyConfig, trainer_of

TIMINGS = ("seconds", "core_seconds", "seconds_waiting_for_data")


class Moments:
    """Counts the steps of a run, and the moments just before and after it renames a file."""

    def __init__(self, last: int | None) -> None:
        self.count, self.last = 0, last
        self._replace = os.replace

    def passed(self, *_: object) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def replace(self, old: Path, new: Path) -> None:
        self.passed()
        self._replace(old, new)
        self.passed()


def train(config: TinyConfig, last: int | None, counted: Path | None = None) -> None:
    """Starts or resumes a run up to the moment `last`; writes the number of moments."""
    torch.set_num_threads(1)
    moments = Moments(last)
    trainer = trainer_of(config)
    trainer.on_step = moments.passed
    atomic.os.replace = moments.replace  # this process is the run's own
    trainer.fit()
    if counted is not None:
        counted.write_text(str(moments.count))


def in_a_process(config: TinyConfig, *arguments: object) -> int:
    """The exit code of `train` in a process of its own."""
    return exit_code(start_process(train, config, *arguments))


def results(run: Path) -> tuple[dict[str, bytes], list[dict[str, str]]]:
    """The bytes of all checkpoints, and all metrics except durations."""
    with open(run / "metrics.csv", newline="") as file:
        rows = [{n: v for n, v in row.items() if n not in TIMINGS} for row in csv.DictReader(file)]
    checkpoints = sorted((run / "checkpoints").glob("*.safetensors"))
    return {path.name: path.read_bytes() for path in checkpoints}, rows


def require_exact_resumes(
    config: TinyConfig, root: Path, kills: int, rng: np.random.Generator
) -> list[int]:
    """Kills runs at random moments, resumes each, and compares it with an undisturbed run.

    Returns:
        The moments of the kills.
    """
    counted = root / "moments"
    assert in_a_process(replace(config, out=root / "whole"), None, counted) == 0
    whole = results(root / "whole")
    assert len(whole[1]) == config.epochs and len(whole[0]) == 2
    moments = rng.choice(np.arange(1, int(counted.read_text())), kills, replace=False)
    for moment in moments.tolist():
        killed = replace(config, out=root / f"killed_{moment}")
        assert in_a_process(killed, moment) == -signal.SIGKILL
        assert in_a_process(killed, None) == 0
        assert results(killed.out) == whole, f"killed at moment {moment}"
    return moments.tolist()
