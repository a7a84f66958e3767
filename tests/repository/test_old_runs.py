"""Runs and data sets of an earlier version are evaluated, resumed and reported as they were."""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import action.evaluate
import action.train
import align.evaluate
import align.train
from action.report import write_report as write_action_report
from action.results import measured_runs
from align.engine.run_folder import read_history
from align.report.page import write_report
from tests import REPOSITORY
from tests.repository.kills import TIMINGS

OLD = REPOSITORY / "tests" / "oracles" / "old_runs"
TRAIN = {"align": align.train.main, "action": action.train.main}
both = pytest.mark.parametrize("package", TRAIN)


@pytest.fixture
def run(
    package: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Path]:
    """A copy of a run that names its data relative to the working directory, and no warnings."""
    shutil.copytree(OLD / package, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    yield Path("run")
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    # Options that were added since have their defaults, and are named.
    assert not [text for text in warnings if "get their defaults" not in text]


def same(one: object, other: object) -> bool:
    """Whether two stored results are equal but for a processor's rounding; NaN equals NaN."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        # Between AVX2 and AVX-512, R² of a regression differed by 1.02e-6.
        return math.isclose(one, other, rel_tol=1e-5) or (math.isnan(one) and math.isnan(other))
    return one == other


def require_same_results(run: Path, package: str, name: str, features: str) -> None:
    """Compares what an evaluation stored with what the earlier version stored."""
    stored, before = run / "evaluation", OLD / package / "run" / "evaluation"
    then = json.loads((before / name).read_text())
    now = json.loads((stored / name).read_text())
    # Later versions store more beside it.
    assert same({key: now[key] for key in then}, then)
    now, then = load_file(stored / features), load_file(before / features)
    assert now.keys() == then.keys()
    for key, value in now.items():
        torch.testing.assert_close(value, then[key])


@pytest.mark.slow
@pytest.mark.parametrize("package", ["align"])
def test_an_alignment_run_has_its_numbers_and_its_report(run: Path) -> None:
    shutil.rmtree(run / "evaluation")
    error = align.evaluate.evaluate(run, progress=False).metrics["alignment_error"]
    require_same_results(run, "align", "test.json", "test_embeddings.safetensors")
    page = write_report([run])
    assert f"Alignment error {error:.3f}" in page.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("package", ["action"])
def test_an_action_run_has_its_numbers_and_its_report(run: Path) -> None:
    shutil.rmtree(run / "evaluation")
    action.evaluate.evaluate(run, progress=False)
    require_same_results(run, "action", "CS_test.json", "CS_test.safetensors")
    page = write_action_report(measured_runs(Path(), ["CS"]), Path("report.html"))
    assert "CS: paab+paat has the highest top-1 accuracy, 66.7 %" in page.read_text()


@pytest.mark.slow
@both
def test_a_stopped_run_is_resumed_to_the_same_end(package: str, run: Path) -> None:
    assert len(read_history(run / "metrics.csv")) == 2
    TRAIN[package](["--resume", str(run)])
    rows, expected = read_history(run / "metrics.csv"), read_history(Path("resumed.csv"))
    assert len(rows) == len(expected) == 4
    for row, other in zip(rows, expected, strict=True):
        values = {name: value for name, value in row.items() if name not in TIMINGS}
        assert values == pytest.approx({name: other[name] for name in values}, rel=1e-4)
