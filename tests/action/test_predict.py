"""Classes of one's own videos: those of evaluation, with poses given, extracted, or missing."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from action import predicting
from action.config import ActionConfig
from action.inputs.clips import open_own_data
from action.measuring import ensembled
from action.predict import main
from action.predicting import Predictor
from action.recognizer import ClipRecognizer
from action.train import make_trainer
from align.engine.checkpoint import CheckpointError
from datasets.clips.own import POSE_SUFFIX
from datasets.clips.pose_json import write_pose_json
from datasets.clips.sets import read_keypoints
from datasets.errors import MissingDataError, MissingLibraryError
from tests.repository.tiny_runs import action_run


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of paab+paat, one of the baseline, one of whole pictures, and videos."""
    root = tmp_path_factory.mktemp("trained")
    config = action_run(root, epochs=1)
    whole = replace(config.batch, person=False)
    for change in (
        {},
        {"method": "baseline", "out": root / "cropped"},
        {"method": "baseline", "out": root / "whole", "batch": whole},
    ):
        make_trainer(replace(config, **change), progress=False).fit()
    return root


def clips_of(root: Path):
    return open_own_data(root / "run", ActionConfig.load(root / "run")).parts["test"]


@pytest.fixture
def video(root: Path, tmp_path: Path) -> Path:
    """A copy of a test clip, without poses, and under a name of one's own."""
    return Path(shutil.copy(clips_of(root)[0].video, tmp_path / "mine.avi"))


@pytest.fixture
def no_mediapipe(monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)


@pytest.mark.slow
@pytest.mark.parametrize("num_clips", [1, 3])
def test_probabilities_are_those_of_evaluation(root, num_clips):
    clips = clips_of(root)[:3]
    recognizer = ClipRecognizer.load(root / "run")
    expected = ensembled(recognizer.recognize(clips, num_clips)[0], "mean")
    predictor = Predictor.load(str(root / "run"))
    for clip, scores in zip(clips, expected, strict=True):
        found = predictor.predict(clip.video, clip.skeleton, num_clips)
        assert found.poses == str(clip.skeleton)
        by_class = [found.probabilities[name] for name in ("right", "still", "down")]
        np.testing.assert_allclose(by_class, scores, atol=1e-5)
        values = list(found.probabilities.values())
        assert values == sorted(values, reverse=True) and sum(values) == pytest.approx(1)


@pytest.mark.slow
def test_the_pose_decides_the_crop_and_what_paab_is_given(root, video):
    clip = clips_of(root)[0]
    for run, differs in (("run", True), ("cropped", True), ("whole", False)):
        predictor = Predictor.load(root / run)
        points = np.full((36, 18, 2), np.nan)
        points[:] = np.random.default_rng(0).uniform(0, 30, (18, 2))
        write_pose_json(video.with_name(f"mine{POSE_SUFFIX}"), points)
        there = predictor.predict(video, video.with_name(f"mine{POSE_SUFFIX}")).probabilities
        own = predictor.predict(str(video), str(clip.skeleton)).probabilities
        assert (there != own) == differs, run


@pytest.mark.slow
def test_the_command_prints_the_top_classes_of_every_video(root, video, capsys, no_mediapipe):
    second = shutil.copy(video, video.with_name("second.avi"))
    main([str(root / "whole"), str(video), str(second), "--top", "2"])
    first, other = capsys.readouterr().out.strip().split("\n\n")
    assert first.splitlines()[0] == str(video) and other.splitlines()[0] == str(second)
    lines = [line.split() for line in first.splitlines()[1:]]
    assert len(lines) == 2 and float(lines[0][0]) >= float(lines[1][0])
    assert {name for _, name in lines} <= {"right", "still", "down"}


@pytest.mark.slow
def test_json_holds_every_video_that_can_be_used(root, video, capsys, no_mediapipe):
    bad = video.with_name("bad.mp4")
    bad.write_bytes(b"no video")
    with pytest.raises(SystemExit) as end:
        main([str(root / "whole"), str(bad), str(video), "--json"])
    assert end.value.code == 2
    printed = capsys.readouterr()
    [error] = [line for line in printed.err.splitlines() if line.startswith("error")]
    assert "bad.mp4" in error
    stored = json.loads(printed.out)
    assert stored["run"] == str(root / "whole")
    [found] = stored["videos"]
    assert found["video"] == str(video) and found["poses"] is None
    assert sum(each["probability"] for each in found["classes"]) == pytest.approx(1)


@pytest.mark.slow
def test_without_an_estimator_a_crop_falls_back_and_is_named(root, video, capsys, no_mediapipe):
    main([str(root / "cropped"), str(video)])
    assert f"1 video without keypoints, such as {video}" in capsys.readouterr().err
    predictor = Predictor.load(root / "cropped")
    assert predictor.predict(video).poses == ""
    with pytest.raises(MissingLibraryError, match=r"run \(paab\+paat\) needs keypoints .*--poses"):
        Predictor.load(root / "run").predict(video)


@pytest.mark.slow
def test_poses_are_extracted_where_they_are_used(root, video, monkeypatch):
    clip = clips_of(root)[0]
    made = []

    def extract(video: Path, out: Path) -> None:
        made.append(out)
        points = read_keypoints(clip)[:, :18] if found else np.full((36, 18, 2), np.nan)
        write_pose_json(out, points)

    monkeypatch.setattr(predicting, "extract", extract)
    monkeypatch.setattr(predicting, "load_mediapipe", lambda: None)
    found = True
    with_poses = Predictor.load(root / "cropped").predict(video)
    assert with_poses.poses == "extracted" and not made[0].exists()
    Predictor.load(root / "whole").predict(video)
    assert len(made) == 1, "whole pictures need no poses"
    found = False
    assert Predictor.load(root / "cropped").predict(video).poses == ""
    with pytest.raises(MissingDataError, match=r"finds nobody in .*mine\.avi"):
        Predictor.load(root / "run").predict(video)
    damage = MissingDataError("damaged")
    monkeypatch.setattr(predicting, "extract", lambda video, out: damage)
    with pytest.raises(MissingDataError, match="damaged"):
        Predictor.load(root / "cropped").predict(video)


@pytest.mark.slow
def test_a_short_video_is_taken_where_one_asks_for_it(root, video):
    predictor = Predictor.load(root / "whole")
    predictor.recognizer.sample = replace(predictor.recognizer.sample, stride=12)
    with pytest.raises(ValueError, match=r"36 frames, .* spans 37.*--short"):
        predictor.predict(video)
    assert predictor.predict(video, short=True).probabilities


def test_one_file_of_poses_is_for_one_video(root, video, capsys):
    poses = clips_of(root)[0].skeleton
    with pytest.raises(SystemExit):
        main([str(root / "run"), str(video), str(video), "--poses", str(poses)])
    assert "name a folder" in capsys.readouterr().err


def test_what_is_no_run_is_not_told_to_be_deleted(video):
    with pytest.raises(MissingDataError, match="is no run of"):
        Predictor.load(video.parent)
    with pytest.raises(CheckpointError, match="name the run's folder") as raised:
        Predictor.load(video)
    assert "Delete" not in str(raised.value)
