"""Runs that need poses, on clips that have none or few."""

import logging
import re
import shutil

import pytest

from action.config import ActionConfig, ClipBatchConfig
from action.inputs.clips import open_data
from action.inputs.poses import needs_poses, require_any_poses, require_poses
from action.training.task import ActionTask
from datasets.clips.sets import open_clip_set
from datasets.errors import MissingDataError, OptionError
from tests.action.test_train import config_for
from tests.datasets.clips.test_pose_survey import write_set


@pytest.fixture
def without(squares, tmp_path):
    """The clips of squares without their poses."""
    shutil.copytree(squares, tmp_path / "without")
    shutil.rmtree(tmp_path / "without" / "skeletons")
    return tmp_path / "without"


@pytest.mark.parametrize(
    ("options", "learning", "recognising"),
    [
        ({"method": "baseline"}, False, False),
        ({"method": "paat"}, True, False),
        ({"method": "paab"}, True, True),
        ({"model": "glimpse_cnn"}, True, False),
        ({"model": "mmnet"}, True, True),
        ({"model": "st_gcn"}, False, False),
    ],
)
def test_which_runs_need_poses(options, learning, recognising):
    config = ActionConfig(**options)
    assert (needs_poses(config, learning=True), needs_poses(config)) == (learning, recognising)


@pytest.mark.parametrize("method", ["paab", "paat", "paab+paat"])
def test_a_method_of_poses_is_not_trained_without_them(without, tmp_path, method):
    with pytest.raises(MissingDataError, match=re.escape(f"--method {method} with")):
        ActionTask(config_for(without, tmp_path / "run", method))


def test_clips_of_which_the_middle_is_taken_are_named(without, tmp_path, caplog):
    config = config_for(without, tmp_path / "run", batch=ClipBatchConfig(clips=8))
    with caplog.at_level(logging.WARNING):
        ActionTask(config)
    assert "clips have no poses, so that the middle of their pictures is taken" in caplog.text


def test_a_few_clips_without_poses_are_named(squares, tmp_path, caplog):
    clips = open_data(config_for(squares, tmp_path)).parts["train"]
    shutil.copytree(squares, tmp_path / "few")
    (tmp_path / "few" / "skeletons" / f"{clips[0].name}.skeleton").unlink()
    config = config_for(tmp_path / "few", tmp_path / "run", "paab")
    with caplog.at_level(logging.WARNING):
        require_poses(open_data(config).parts["train"], config)
    assert f"1 of {len(clips)} clips have no poses" in caplog.text and clips[0].name in caplog.text


def test_options_that_do_not_fit_are_told_before_clips_are_read(without, tmp_path):
    for video in without.rglob("*.avi"):
        video.write_bytes(b"")
    with pytest.raises(OptionError, match="needs tokens"):
        ActionTask(config_for(without, tmp_path / "run", "paab", model="s3d"))


def test_classes_without_training_clips_are_named(squares, tmp_path, caplog):
    shutil.copytree(squares, tmp_path / "some")
    for subject in (1, 2, 4, 5):  # those of training
        for video in (tmp_path / "some" / "rgb").glob(f"*P00{subject}R*A003_rgb.avi"):
            video.unlink()
    with caplog.at_level(logging.WARNING):
        ActionTask(config_for(tmp_path / "some", tmp_path / "run"))
    assert "1 of 3 classes have no training clips, and 4 test clips are of them: d" in caplog.text


def test_poses_that_look_wrong_are_told_where_a_run_learns(tmp_path, caplog):
    clips = open_clip_set(write_set(tmp_path, lambda poses: poses / 3), "nucla").clips
    require_poses(clips, ActionConfig(method="paab", data="nucla"), learning=True)
    assert "ucla_skeletons look wrong: all persons stay within the left" in caplog.text
    caplog.clear()
    require_poses(clips, ActionConfig(method="paab", data="nucla"))  # training has said it
    assert not caplog.text


def test_the_remedy_for_a_model_that_needs_poses_is_another_model(without):
    clips = open_clip_set(without, "ntu").clips
    with pytest.raises(MissingDataError, match="--model timesformer --method baseline"):
        require_any_poses(clips, ActionConfig(model="glimpse_clouds"), learning=True)
