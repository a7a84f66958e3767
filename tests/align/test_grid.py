"""Workers of a grid of runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from align.engine.jobs import run_all

PATIENCE = 60.0


@dataclass(frozen=True)
class Placed:
    """All that `run_all` asks of a run."""

    out: Path


def tell_and_stay(config: Placed, place: int) -> None:
    """Writes whose work this is, and never gets done."""
    temporary = config.out.with_suffix(".new")
    temporary.write_text(str(os.getpid()))
    temporary.rename(config.out)
    time.sleep(10 * PATIENCE)


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until(condition: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_workers_end_with_a_command_that_is_killed(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = subprocess.Popen([sys.executable, "-m", __name__, str(pid)])
    try:
        assert wait_until(pid.exists)
        worker = int(pid.read_text())
        assert is_running(worker)
    finally:
        command.kill()
        command.wait()
    assert wait_until(lambda: not is_running(worker))


if __name__ == "__main__":
    from tests.align import test_grid  # workers import the work by this name

    run_all([Placed(Path(sys.argv[1]))], 1, lambda: None, test_grid.tell_and_stay)
