"""Comparing methods: what is planned, what is kept, what comes out."""

from __future__ import annotations

from pathlib import Path

import pytest

from align.compare import main, plan
from align.config import TrainConfig
from align.engine import finished
from align.evaluation import load_evaluation


def test_every_method_gets_a_seed_before_any_gets_a_second(tmp_path: Path) -> None:
    configs = plan(TrainConfig(epochs=7), ("deit", "paab+paat"), (3, 4), tmp_path)
    assert [(c.method, c.seed) for c in configs] == [
        ("deit", 3),
        ("paab+paat", 3),
        ("deit", 4),
        ("paab+paat", 4),
    ]
    assert [c.out for c in configs][1] == tmp_path / "paab_paat_seed3"
    assert {c.epochs for c in configs} == {7}


@pytest.mark.slow
def test_runs_what_is_missing_and_keeps_what_is_there(
    dots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(dots), "--out", str(tmp_path / "runs"), "--epochs", "1"]
    arguments += ["--backbone.depth", "2", "--batch.times", "8", "--jobs", "1", "--seeds", "0"]
    main([*arguments, "--methods", "deit"])
    checkpoint = tmp_path / "runs" / "deit_seed0" / "checkpoints" / "last.safetensors"
    written = checkpoint.stat().st_mtime_ns
    main([*arguments, "--methods", "deit", "paab"])
    assert checkpoint.stat().st_mtime_ns == written
    assert finished(tmp_path / "runs" / "paab_seed0")
    printed = capsys.readouterr().out
    for method in ("deit", "paab"):
        error = load_evaluation(tmp_path / "runs" / f"{method}_seed0").metrics["alignment_error"]
        assert f"{error:.3f}" in printed
    assert (tmp_path / "runs" / "report.html").exists()
    assert (tmp_path / "runs" / "summary.csv").exists()
