"""Which clips a run trains, validates and tests on."""

from dataclasses import replace

import pytest

from action.config import ActionConfig
from action.inputs.clips import open_data, sample_config
from action.train import main
from action.training.recipes import action_recipe
from datasets.clips.samples import SampleConfig, name_coinciding
from datasets.clips.sets import get_format
from datasets.errors import OptionError


def subjects(data):
    return {part: {clip.subject for clip in clips} for part, clips in data.parts.items()}


@pytest.mark.slow
def test_clips_whose_samples_coincide_are_counted(squares):
    """Clips of the set have 36 frames."""
    clips = open_data(ActionConfig(root=squares)).parts["test"]
    longer, whole = (SampleConfig(frames=frames, stride=5) for frames in (7, 8))
    assert name_coinciding(clips, longer, 10) == ""
    assert name_coinciding(clips, whole, 1) == ""
    found = name_coinciding(clips, whole, 10)
    assert found.startswith(f"{len(clips)} of {len(clips)} videos") and "10 samples" in found


def test_the_paper_holds_the_last_frame_of_short_videos():
    shorts = {
        name: sample_config(action_recipe(name), get_format("ntu")).short
        for name in ("small", "paper")
    }
    assert shorts == {"small": "spread", "paper": "hold"}


@pytest.fixture
def lists(squares, tmp_path):
    """Train on subjects 1 and 3, validate on 2, test on 4; by NTU's CS, 3 would be tested on."""
    for name, numbers in {"train": (1, 3), "val": (2,), "test": (4,)}.items():
        lines = [f"rgb/S001C001P00{s}R001A00{a}_rgb.avi,{a - 1}" for s in numbers for a in (1, 2)]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.parametrize("protocol", [None, "lists"])
def test_lists_say_how_clips_are_split(squares, lists, protocol):
    data = open_data(ActionConfig(data="mocap", root=squares, lists=lists, protocol=protocol))
    assert data.protocol == "lists"
    assert subjects(data) == {"train": {1, 3}, "valid": {2}, "test": {4}}


def test_a_protocol_beside_lists_is_refused(squares, lists):
    with pytest.raises(OptionError, match="CS: .*--protocol"):
        open_data(ActionConfig(data="mocap", root=squares, lists=lists, protocol="CS"))


def test_a_share_of_zero_trains_on_all_training_clips(squares):
    data = open_data(ActionConfig(data="mocap", root=squares, valid_share=0))
    assert subjects(data) == {"train": {1, 2, 4, 5}, "valid": set(), "test": {3, 6}}


@pytest.fixture
def smarthome(tmp_path):
    """A clip of each subject; without a content that anyone reads here."""
    for subject in (2, 3, 4, 19, 25):
        (tmp_path / f"Walk_p{subject:02}_r00_v00_c01.mp4").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("options", "train", "valid"),
    [
        ({}, {3, 4}, {19, 25}),
        ({"valid_share": 0}, {3, 4}, {19, 25}),
        ({"train_on_valid": True, "valid_share": 0}, {3, 4, 19, 25}, set()),
    ],
    ids=str,
)
def test_published_validation_clips_are_trained_on_if_asked(smarthome, options, train, valid):
    data = open_data(ActionConfig(data="smarthome", root=smarthome, **options))
    assert subjects(data) == {"train": train, "valid": valid, "test": {2}}


def test_a_share_is_set_apart_of_the_published_validation_clips_too(smarthome):
    found = subjects(open_data(ActionConfig(data="smarthome", root=smarthome, train_on_valid=True)))
    assert len(found["valid"]) == 1
    assert found["train"] | found["valid"] == {3, 4, 19, 25}
    assert not found["train"] & found["valid"]


@pytest.fixture
def nucla(tmp_path):
    """A clip of each of three subjects in each view; without a content that anyone reads here."""
    for view in (1, 2, 3):
        for subject in (8, 9, 10):
            clip = tmp_path / "a01" / f"v{view:02}_s{subject:02}_e00.avi"
            clip.parent.mkdir(exist_ok=True)
            clip.touch()
    return tmp_path


def test_nucla_s_test_subjects_are_an_option(nucla):
    config = ActionConfig(data="nucla", root=nucla, valid_share=0)
    assert subjects(open_data(config)) == {"train": {8, 9}, "valid": set(), "test": {10}}
    others = subjects(open_data(replace(config, test_subjects=(8, 10))))
    assert others == {"train": {9}, "valid": set(), "test": {8, 10}}
    with pytest.raises(OptionError, match="CV3"):
        open_data(replace(config, protocol="CV3", test_subjects=(8,)))


@pytest.mark.slow
def test_test_subjects_are_stored_as_they_are_given(monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr("action.train.make_trainer", given.append)
    monkeypatch.setattr("align.engine.command.train", lambda open_trainer, _: open_trainer())
    main(["--data", "nucla", "--test-subjects", "8", "10"])
    given[0].save(tmp_path)
    assert ActionConfig.load(tmp_path).test_subjects == (8, 10)


def test_a_protocol_that_is_a_mean_is_told_apart(nucla):
    with pytest.raises(OptionError, match="CV1, CV2, CV3.*--protocol CV1"):
        open_data(ActionConfig(data="nucla", root=nucla, protocol="CV"))
