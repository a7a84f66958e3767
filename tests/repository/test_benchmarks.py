"""The runner of the benchmarks and the table it makes, and one of them at a small size."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest
import tyro

from action.models.registry import parameters
from tests import REPOSITORY

RUN = REPOSITORY / "tests" / "benchmarks" / "run.py"

# Clips of recognisers.
SMALL = ("--frames", "8", "--side", "64")
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


@pytest.fixture
def recognisers(monkeypatch):
    """The benchmark of recognisers."""
    monkeypatch.syspath_prepend(RUN.parent)
    return importlib.import_module("bench_recognisers")


@pytest.mark.slow
@pytest.mark.parametrize(
    # TimeSformer's paper gives 0.59 TFLOPs for three crops.
    ("name", "published"),
    [("timesformer", 590 / 3), ("motionformer", 369.5), ("swin3d_t", 88)],
)
def test_multiply_adds_of_the_authors_clip_are_as_published(recognisers, name, published):
    size = recognisers.size_of(name)
    assert size.gflops == pytest.approx(published, rel=0.01)
    assert size.parameters == parameters(name)


@pytest.mark.slow
def test_recognisers_are_measured_at_a_small_size():
    words = ["--models", "i3d", "--parts", "speed", "--rounds", "1", *SMALL]
    # In a process of its own: after its backward passes, tests that fork could not train.
    done = subprocess.run(
        [sys.executable, RUN.parent / "bench_recognisers.py", *words],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    table = [line for line in done.stdout.splitlines() if line.startswith("| `")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert [row[0] for row in rows] == ["`timesformer`", "`i3d`"]
    assert rows[0][5] == rows[0][7] == "1×"
    assert all(float(rows[1][column].rstrip("×")) > 0 for column in (4, 5, 6, 7))


@pytest.mark.slow
def test_a_training_step_takes_the_memory_of_weights_and_gradients_at_least(recognisers):
    options = tyro.cli(recognisers.Options, args=SMALL)
    assert recognisers.apart(recognisers.peak_memory, "i3d", options) > 8 * parameters("i3d")


def test_recognisers_that_are_unknown_or_too_small_are_named(recognisers, monkeypatch, capsys):
    for words, complaint in (
        (["--models", "i3"], "unknown model 'i3'; did you mean 'i3d'"),
        (["--models", "i3d", "--side", "32"], "--side is 32: give 64 or more"),
        (["--models", "s3d", "--frames", "4"], "s3d needs 8 frames of 32 pixels"),
    ):
        monkeypatch.setattr(sys, "argv", ["bench_recognisers.py", *words])
        with pytest.raises(SystemExit) as ended:
            recognisers.main()
        assert ended.value.code == 2 and complaint in capsys.readouterr().err


@pytest.mark.slow
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
