"""Runs of `sims.generate` as processes of their own, to be disturbed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests import REPOSITORY

TOY = "tests.sims.toy:ToyEnv"


def command(root: Path, workers: int = 2, **options: object) -> list[str]:
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    base = [sys.executable, "-m", "sims.generate", "--workers", str(workers), "--out", str(root)]
    return base + words


@contextmanager
def started(words: list[str], **variables: object) -> Iterator[subprocess.Popen[str]]:
    """A run with both outputs in one pipe; it and all of its processes are gone afterwards."""
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        cwd=REPOSITORY,
        env={**os.environ, **{name: str(value) for name, value in variables.items()}},
    )
    try:
        yield process
    finally:
        for each in descendants(process):
            if psutil.pid_exists(each.pid):
                each.kill()
        process.kill()
        process.wait()


def finish(words: list[str], **variables: object) -> tuple[int, str]:
    """Runs to the end; exit status and what was said."""
    with started(words, **variables) as process:
        output, _ = process.communicate(timeout=600)
    return process.returncode, output


def descendants(process: subprocess.Popen[str], named: str = "") -> list[psutil.Process]:
    """The processes below a run whose command line holds `named`."""
    found = []
    try:
        for each in psutil.Process(process.pid).children(recursive=True):
            try:
                if named in " ".join(each.cmdline()):
                    found.append(each)
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue  # it has just ended
    except psutil.NoSuchProcess:
        pass  # the run has
    return found


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """joblib's worker processes, and none of those that keep its books."""
    return descendants(process, "popen_loky")


def episodes(root: Path) -> list[Path]:
    return sorted(root.glob("episodes/[0-9]*.hdf5"))


def wait_for_episodes(root: Path, process: subprocess.Popen[str], count: int = 1) -> None:
    deadline = time.monotonic() + 600
    while len(episodes(root)) < count:
        assert process.poll() is None, f"it ended early: {process.communicate()[0]}"
        assert time.monotonic() < deadline, "no episode within ten minutes"
        time.sleep(0.01)


def contents(root: Path) -> dict[str, bytes]:
    """All that a finished data set holds, but for meta.json, which names the folder."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != "meta.json")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
