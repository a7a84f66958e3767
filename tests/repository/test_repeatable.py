"""The same seed on the same machine gives the same checkpoints and measurements, bit by bit."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import action.evaluate
import align.evaluate
from tests.repository.tiny_runs import RUNS, trainer_of

EVALUATE = {"align": align.evaluate.evaluate, "action": action.evaluate.evaluate}


@pytest.mark.slow
@pytest.mark.parametrize("package", RUNS)
def test_training_and_evaluation_repeat_themselves(package: str, tmp_path: Path) -> None:
    config = RUNS[package](tmp_path)
    files = []
    for seed in (3, 3, 4):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        trainer = trainer_of(replace(config, seed=seed, epochs=1))
        trainer.fit()
        EVALUATE[package](trainer.folder, progress=False)
        evaluations = sorted((trainer.folder / "evaluation").glob("*.json"))
        assert evaluations
        files.append([trainer.best_path.read_bytes(), *map(untimed, evaluations)])
    first, again, other = files
    assert first == again
    assert all(a != b for a, b in zip(first, other, strict=True))


def untimed(path: Path) -> dict[str, object]:
    """An evaluation without the time that its training took, which differs from run to run."""
    stored: dict[str, object] = json.loads(path.read_text())
    return {name: value for name, value in stored.items() if name != "core_seconds"}
