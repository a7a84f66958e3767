"""A run of recognition knows its clips: moved, of another set, or learned from."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from action.clips import open_own_data
from action.config import ActionConfig
from action.evaluate import evaluate
from action.evaluation import find_evaluation
from action.train import make_trainer
from align.engine.origin import Origin
from datasets.clips.identity import clip_seals
from datasets.errors import MismatchError, MissingDataError
from tests.action.conftest import write_clip
from tests.repository.tiny_runs import action_run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data set `squares` and the finished run `run`."""
    root = tmp_path_factory.mktemp("trained")
    make_trainer(action_run(root, epochs=1), progress=False).fit()
    return root


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "place")
    replace(ActionConfig.load(trained / "run"), root=Path("nowhere")).save(tmp_path / "place/run")
    return tmp_path / "place"


def test_clips_that_moved_are_found_or_named(trained: Path, place: Path) -> None:
    run = place / "run"
    found = evaluate(run, progress=False)
    assert found.identity and found.processor.startswith(("cpu", "NVIDIA"))
    shutil.move(place / "squares", place / "moved")
    shutil.move(trained / "squares", trained / "away")
    try:
        with pytest.raises(MissingDataError, match="--root FOLDER"):
            evaluate(run, progress=False)
    finally:
        shutil.move(trained / "away", trained / "squares")
    evaluate(run, progress=False, root=place / "moved", relocate=True)
    assert ActionConfig.load(run).root == place / "moved"


def test_other_clips_in_the_same_place_are_noticed(place: Path) -> None:
    run = place / "run"
    replace(ActionConfig.load(run), root=place / "squares").save(run)
    write_clip(place / "squares", 1, 1, 2)
    with pytest.raises(MismatchError, match="--root"):
        evaluate(run, progress=False, root=place / "squares")


def test_clips_that_were_learned_from_are_no_test(place: Path) -> None:
    run = place / "run"
    origin = Origin.load(run)
    assert origin is not None and {name[8:12] for name in origin.learned} <= {
        "P001",
        "P002",
        "P004",
    }
    evaluate(run, progress=False, split="valid")
    # As if lists had trained on a test clip under another name.
    seals = clip_seals(open_own_data(run, ActionConfig.load(run)).parts["test"][:1])
    replace(origin, learned={**origin.learned, "other": next(iter(seals.values()))}).save(run)
    with pytest.raises(MismatchError, match=next(iter(seals))):
        evaluate(run, progress=False)


def test_a_measurement_of_other_clips_is_measured_again(place: Path) -> None:
    found = evaluate(place / "run", progress=False)
    assert find_evaluation(place / "run", "CS", identity=found.identity) is not None
    assert find_evaluation(place / "run", "CS", identity="0" * 64) is None
