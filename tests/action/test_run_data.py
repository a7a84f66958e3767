"""A run of recognition knows its clips: moved, of another set, or learned from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import action.retrieve
from action.config import ActionConfig, ClipSource
from action.evaluate import evaluate
from action.evaluation import find_evaluation
from action.features import clip_features
from action.inputs import clips
from action.inputs.clips import open_own_data
from action.plan import RecognizerPlan
from action.recognizer import ClipRecognizer, require_finite
from action.train import make_trainer
from align.engine.checkpoint import OtherModelError, read_about
from align.engine.origin import Origin
from datasets.clips.identity import clip_seals
from datasets.clips.mocap import MocapMeta
from datasets.clips.sets import ClipSet, get_format, open_clip_set
from datasets.errors import (
    DataError,
    FormatError,
    MismatchError,
    MissingDataError,
    OptionError,
    UnknownNameError,
)
from tests.action.conftest import write_clip, write_squares
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


@contextmanager
def without_clips(trained: Path, place: Path) -> Iterator[None]:
    """Moves the clips of a run away from where it finds them, to `place/moved`."""
    shutil.move(place / "squares", place / "moved")
    shutil.move(trained / "squares", trained / "away")
    try:
        yield
    finally:
        shutil.move(trained / "away", trained / "squares")


@pytest.mark.slow
def test_clips_that_moved_are_found_or_named(trained: Path, place: Path) -> None:
    run = place / "run"
    found = evaluate(run, progress=False)
    assert found.identity and found.processor.endswith((", fp32", ", bf16"))
    with (
        without_clips(trained, place),
        pytest.raises(MissingDataError, match="--root FOLDER"),
    ):
        evaluate(run, progress=False)
    evaluate(run, progress=False, root=place / "moved", relocate=True)
    assert ActionConfig.load(run).root == place / "moved"


def test_a_measurement_opens_its_data_once_and_says_what_it_leaves_out_once(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []

    def opening(root: Path, *options: object) -> ClipSet:
        opened.append(root)
        return open_clip_set(root, *options)

    monkeypatch.setattr(clips, "open_clip_set", opening)
    evaluate(place / "run", protocol="CS", progress=False)
    assert len(opened) == 1


def test_clips_that_changed_are_measured_as_other_data(trained: Path, place: Path) -> None:
    with without_clips(trained, place):
        shutil.copytree(place / "moved", place / "squares")
        next((place / "squares" / "skeletons").glob("*P003*")).unlink()
        with pytest.raises(MismatchError, match="there now: --data mocap --root FOLDER"):
            evaluate(place / "run", progress=False)
        found = evaluate(place / "run", data="mocap", root=place / "squares", progress=False)
        assert found.other == "squares"


def test_a_measurement_from_python_is_checked_like_one_from_the_shell(trained: Path) -> None:
    run = trained / "run"
    for options in ({"split": "tests"}, {"ensemble": "median"}, {"checkpoint": "worst"}):
        with pytest.raises(UnknownNameError, match="did you mean"):
            evaluate(run, progress=False, **options)
    with pytest.raises(OptionError, match="num-clips 0"):
        evaluate(run, num_clips=0, progress=False)


def test_the_checkpoint_of_a_run_that_saw_other_frames_is_refused(place: Path) -> None:
    run = place / "run"
    config = ActionConfig.load(run)
    backbone = replace(config.backbone, stride=2)
    replace(config, backbone=backbone).save(run)  # as if the file were of the run that it names
    with pytest.raises(OtherModelError, match=r"backbone\.stride is 8, and that of config\.json 2"):
        ClipRecognizer.load(run)


def test_scores_that_are_no_numbers_are_refused() -> None:
    clip = get_format("ntu").identify(Path("S001C001P001R001A001_rgb.avi"))
    assert clip is not None
    require_finite(np.zeros((2, 1, 3)), [clip, clip])
    with pytest.raises(FormatError, match=r"1 of 2 clips .* S001C001P001R001A001_rgb\.avi"):
        require_finite(np.array([[[0.0]], [[np.nan]]]), [clip, clip])


@pytest.mark.slow
def test_clips_that_moved_are_searched(
    trained: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, root = place / "run", str(place / "moved")
    shutil.rmtree(run / "evaluation", ignore_errors=True)
    words = [str(run), "--pictured", "0"]
    with without_clips(trained, place):
        with pytest.raises(SystemExit):
            action.retrieve.main(words)
        assert "--root FOLDER" in capsys.readouterr().err
        action.retrieve.main([*words, "--root", root])
        assert ActionConfig.load(run).root == Path("nowhere")
        action.retrieve.main([*words, "--root", root, "--relocate"])
        assert ActionConfig.load(run).root == place / "moved"
        action.retrieve.main(words)
        with pytest.raises(SystemExit):
            action.retrieve.main([*words, "--relocate"])
        assert "--relocate stores the path of --root" in capsys.readouterr().err
        write_clip(place / "moved", 1, 1, 2)
        with pytest.raises(SystemExit):
            action.retrieve.main([*words, "--root", root])
        assert "is not the data that" in capsys.readouterr().err


@pytest.mark.slow
def test_other_clips_in_the_same_place_are_noticed(place: Path) -> None:
    run = place / "run"
    replace(ActionConfig.load(run), root=place / "squares").save(run)
    write_clip(place / "squares", 1, 1, 2)
    with pytest.raises(MismatchError, match="--root"):
        evaluate(run, progress=False, root=place / "squares")


@pytest.mark.slow
def test_clips_that_were_learned_from_are_no_test(place: Path) -> None:
    run = place / "run"
    origin = Origin.load(run)
    assert origin is not None and {name[8:12] for name in origin.learned} == {
        "P001",
        "P002",
        "P005",
    }
    evaluate(run, progress=False, split="valid")
    # As if lists had trained on a test clip under another name.
    seals = clip_seals(open_own_data(run, ActionConfig.load(run)).parts["test"][:1])
    replace(origin, learned={**origin.learned, "other": next(iter(seals.values()))}).save(run)
    with pytest.raises(MismatchError, match=next(iter(seals))):
        evaluate(run, progress=False)


@pytest.mark.slow
def test_a_checkpoint_stands_by_itself(trained: Path, place: Path, tmp_path: Path) -> None:
    clips = open_own_data(trained / "run", ActionConfig.load(trained / "run")).parts["test"][:2]
    expected, _ = ClipRecognizer.load(trained / "run").recognize(clips)
    alone = shutil.copy(place / "run/checkpoints/best.safetensors", tmp_path / "alone.safetensors")
    recognizer = ClipRecognizer.load(alone)
    assert np.array_equal(recognizer.recognize(clips)[0], expected)
    learned = recognizer.plan.learned
    assert learned.classes == ("right", "still", "down") and learned.protocol == "CS"
    assert learned.skeleton == get_format("ntu").skeleton
    sample = ClipRecognizer.load(trained / "run").sample
    assert recognizer.sample == sample and (sample.frames, sample.stride) == (4, 8)
    about = read_about(alone)
    assert about["normalisation"] == {"mean": 0.45, "std": 0.225}
    assert str(trained) not in json.dumps(about)


def test_a_stored_normalisation_is_used(trained: Path) -> None:
    weights = trained / "run/checkpoints/best.safetensors"
    about = {**read_about(weights), "normalisation": {"mean": 0.5, "std": 0.5}}
    assert RecognizerPlan.stored(about, weights).normalisation == (0.5, 0.5)
    recognizer = ClipRecognizer(RecognizerPlan.stored(about, weights))
    assert recognizer.model.normalisation == (0.5, 0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": None}, "holds no options"),
        ({"data": {"format": "ntu"}}, "protocol"),
        ({"normalisation": {"mean": 0.5}}, "std"),
        (None, "name the folder of its run"),
    ],
)
def test_a_description_that_is_not_whole_is_an_error(
    trained: Path, change: dict | None, message: str
) -> None:
    weights = trained / "run/checkpoints/best.safetensors"
    about = {} if change is None else {**read_about(weights), **change}
    with pytest.raises(DataError, match=rf"best\.safetensors.*{message}"):
        RecognizerPlan.stored(about, weights)


@pytest.mark.slow
def test_other_clips_are_measured_and_searched_without_the_run_s_own(
    trained: Path, place: Path
) -> None:
    run, other = place / "run", write_squares(place / "other", replications=2)
    write_clip(other, 3, 1, 3)
    with without_clips(trained, place):
        found = evaluate(run, progress=False, data="mocap", root=other)
        for split in ("test", "train"):
            clip_features(run, ClipSource(split, root=other), progress=False)  # type: ignore[arg-type]
    assert found.other == "other" and len(found.clips) == 13
    assert (run / "evaluation/CS_test_on_other.json").exists()
    assert (run / "evaluation/CS_test_on_other.png").exists()
    assert find_evaluation(run, "CS") is None, "it is no measurement of the run's own clips"
    # As if a subject that was trained on were among those to test on.
    learned, tested = (next(other.rglob(f"*P00{subject}*_rgb.avi")) for subject in (1, 3))
    shutil.copy(learned, tested)
    with pytest.raises(MismatchError, match=f"was trained on 1 .*{tested.stem[:20]}"):
        evaluate(run, progress=False, data="mocap", root=other)
    with pytest.raises(OptionError, match="--relocate"):
        evaluate(run, progress=False, data="mocap", root=other, relocate=True)


@pytest.mark.slow
def test_clips_of_other_classes_are_refused(place: Path) -> None:
    other = write_squares(place / "other", replications=1)
    meta = MocapMeta.load(other)
    motions = {name: f"{motion}wards" for name, motion in meta.motions.items()}
    replace(meta, motions=motions).save(other)
    with pytest.raises(MismatchError, match="3 other classes"):
        evaluate(place / "run", progress=False, data="mocap", root=other)


@pytest.mark.slow
def test_classes_in_another_order_are_told_by_their_names(place: Path) -> None:
    other = write_squares(place / "other", replications=1)
    as_learned = evaluate(place / "run", progress=False, data="mocap", root=other)
    meta = MocapMeta.load(other)
    names = dict(zip(meta.motions, reversed(meta.motions.values()), strict=True))
    replace(meta, motions=names).save(other)
    swapped = {"right": "down", "still": "still", "down": "right"}
    found = evaluate(place / "run", progress=False, data="mocap", root=other)
    assert found.clips == {
        clip: (swapped[true], guess) for clip, (true, guess) in as_learned.clips.items()
    }
    right = np.mean([true == guess for true, guess in found.clips.values()])
    assert found.metrics["top1"] == pytest.approx(right)


@pytest.mark.slow
def test_a_measurement_of_other_clips_is_measured_again(place: Path) -> None:
    found = evaluate(place / "run", progress=False)
    assert find_evaluation(place / "run", "CS", identity=found.identity) is not None
    assert find_evaluation(place / "run", "CS", identity="0" * 64) is None
