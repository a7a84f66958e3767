"""The runner of the benchmarks and the table it makes; what they measure is not tested."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest

from tests import REPOSITORY

RUN = REPOSITORY / "tests" / "benchmarks" / "run.py"

MEASURED = """
from measuring import Row, note, times
note(Row("a step", "the old one", times(2 / 1), "1.0 against 2.0 s"))
"""


@pytest.fixture
def bench(tmp_path):
    """A folder with the runner and two benchmarks of its own, and how to run it."""
    for name in ("run.py", "measuring.py"):
        (tmp_path / name).write_text((RUN.parent / name).read_text())
    (tmp_path / "bench_good.py").write_text(MEASURED)
    (tmp_path / "bench_bad.py").write_text("raise SystemExit('no such device')")

    def run(*names: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, tmp_path / "run.py", "--out", tmp_path / "out.md", "--only", *names],
            env={"PYTHONPATH": str(RUN.parents[2]), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )

    return tmp_path, run


@pytest.mark.slow
def test_table_holds_what_was_measured(bench):
    folder, run = bench
    done = run("bench_good")
    assert done.returncode == 0, done.stderr
    row = "| a step | the old one | 2× | 1.0 against 2.0 s |"
    assert (folder / "out.md").read_text().splitlines()[2] == row
    assert json.loads((folder / "out.json").read_text())["bench_good"]["seconds"] > 0


@pytest.mark.slow
def test_failed_benchmark_keeps_the_others_and_says_where_to_look(bench):
    folder, run = bench
    done = run("bench_bad", "bench_good")
    assert done.returncode == 1
    assert "failed: bench_bad" in done.stderr
    assert "no such device" in (folder / "out" / "bench_bad.log").read_text()
    assert "a step" in (folder / "out.md").read_text()


def test_unknown_benchmark_names_those_there_are(bench):
    _, run = bench
    done = run("bench_none")
    assert done.returncode == 1
    assert "bench_good" in done.stderr


def test_every_benchmark_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(RUN.parent)
    names = sorted(path.stem for path in RUN.parent.glob("bench_*.py"))
    assert len(names) > 10
    assert all(callable(importlib.import_module(name).main) for name in names)
