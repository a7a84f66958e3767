"""Data sets as they lie on disk: names in any case, misspelt, or of other sets, and pictures."""

import json
import logging
from pathlib import Path

import pytest
from PIL import Image

from datasets.clips.checks import find_problems
from datasets.clips.finding import SHOWN
from datasets.clips.info import describe_clips
from datasets.clips.sets import get_format, open_clip_set, read_keypoints
from datasets.errors import MissingDataError, OptionError
from tests.datasets.clip_files import (
    add_ntu,
    add_nucla,
    add_smarthome,
    make_poses,
    pose_json,
    write_grey_video,
)


@pytest.mark.parametrize(
    ("data", "add", "name"),
    [
        ("ntu", add_ntu, "S001C001P001R001A001"),
        ("smarthome", add_smarthome, "Walk_p03_r00_v00_c01"),
    ],
)
def test_endings_may_be_upper_case(tmp_path, data, add, name):
    add(tmp_path, name, frames=4)
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        path.rename(path.with_suffix(path.suffix.upper()))
    [clip] = open_clip_set(tmp_path, data).clips
    assert clip.name == name and clip.skeleton is not None


def test_nuclas_endings_may_be_upper_case(tmp_path):
    write_grey_video(tmp_path / "view_2" / "a08_s01_e00.MP4", 4, "libx264")
    poses = pose_json(make_poses(18, 4)[:, None], 18)
    (tmp_path / "S01A07E01V02_skeleton2d.JSON").write_text(poses)
    [clip] = open_clip_set(tmp_path, "nucla").clips
    assert clip.action == "donning" and clip.skeleton is not None


def test_openposes_names_may_be_upper_case(tmp_path):
    add_nucla(tmp_path, action=1, view=1, subject=1, frames=4)
    for frame in list(tmp_path.rglob("*_keypoints.json")):
        frame.rename(frame.with_name(frame.name.upper()))
    [clip] = open_clip_set(tmp_path, "nucla").clips
    assert clip.skeleton is not None and len(read_keypoints(clip)) == 4


def test_the_folder_of_one_action_is_opened_from_within(tmp_path, monkeypatch):
    add_nucla(tmp_path, action=1, view=1, subject=1, frames=4)
    monkeypatch.chdir(tmp_path / "multiview_action_videos" / "a01")
    [clip] = open_clip_set(".", "nucla").clips
    assert clip.name == "a01_v01_s01_e00"


def test_of_two_skeletons_in_upper_case_the_text_is_read(tmp_path):
    add_ntu(tmp_path, "S001C001P001R001A001", frames=4)
    text = tmp_path / "skeletons" / "S001C001P001R001A001.skeleton"
    upper = text.rename(text.with_suffix(".SKELETON"))
    (tmp_path / "skeletons" / "S001C001P001R001A001.skeleton.NPY").write_bytes(b"")
    assert open_clip_set(tmp_path, "ntu").clips[0].skeleton == upper


@pytest.mark.parametrize("name", ["watchtv_p03_r00_v00_c01", "WatchTV_p3_r0_v0_c1"])
def test_smarthomes_names_are_read_as_published(name):
    fmt = get_format("smarthome")
    clip = fmt.identify(Path(f"{name}.mp4"))
    assert (clip.name, clip.label) == ("WatchTV_p03_r00_v00_c01", 30)
    assert fmt.skeleton_of(Path(f"{name}_pose3d.json")) == clip.name


def test_a_misspelt_class_is_left_out_with_the_published_one(tmp_path, caplog):
    add_smarthome(tmp_path, "Walk_p03_r00_v00_c01", frames=4)
    add_smarthome(tmp_path, "Watch.TV_p03_r00_v00_c01", frames=4)
    with caplog.at_level(logging.WARNING):
        dropped = open_clip_set(tmp_path, "smarthome").dropped
    why = "Watch.TV is not among the 31 classes; rename it if it is WatchTV"
    assert list(dropped.values()) == [why, why]  # its video and its poses
    assert "left out 1 clip of other classes: Watch.TV" in caplog.text


def test_videos_with_other_names_are_named(tmp_path, caplog):
    add_smarthome(tmp_path, "Walk_p03_r00_v00_c01", frames=4)
    for number in range(SHOWN + 2):
        (tmp_path / f"Walk_p03_r00_v00_c01 ({number}).mp4").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        clips = open_clip_set(tmp_path, "smarthome")
    assert len(clips.clips) == 1
    assert f"left out {SHOWN + 2} clips whose names are not those of" in caplog.text
    assert "and 2 more" in caplog.text
    assert "c01 (0).mp4: not named as a clip of Toyota-Smarthome" in describe_clips(clips)


@pytest.mark.parametrize("name", ["S018C001P041R001A061", "S020C001P045R001A001"])
def test_clips_of_ntu_120_are_no_clips_of_ntu_60(tmp_path, name):
    add_ntu(tmp_path, "S017C001P001R001A001", frames=4)
    add_ntu(tmp_path, name, frames=4)
    clips = open_clip_set(tmp_path, "ntu")
    assert [clip.setup for clip in clips.clips] == [17]
    assert len(clips.dropped) == 2 and all("120" in why for why in clips.dropped.values())


def test_nuclas_pictures_are_told_from_a_wrong_folder(tmp_path):
    folder = tmp_path / "view_1" / "a01_s01_e00"
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "frame_0_tc_123_rgb.jpg")
    (folder / "fileList.txt").write_text("0 123")
    with pytest.raises(MissingDataError, match=r"holds the pictures .*a01_s01_e00.mp4"):
        open_clip_set(tmp_path, "nucla")


def test_test_subjects_without_clips_are_refused(tmp_path):
    for subject in (1, 10):
        add_nucla(tmp_path, 1, 1, subject, frames=4)
    clips = open_clip_set(tmp_path, "nucla")
    with pytest.raises(OptionError, match="no clips of test subjects 11; it has those of 1, 10"):
        clips.split("CS", frozenset({10, 11}))


def test_joints_are_read_where_they_are_asked_for(tmp_path):
    add_nucla(tmp_path, 1, 1, 1, frames=4)
    joints = tmp_path / "all_sqe" / "a01_s01_e00_v01.json"
    joints.parent.mkdir()
    joints.write_text(json.dumps({"skeletons": [[[1.0, 2.0, 3.0]] * 20] * 4}))
    [clip] = clips = open_clip_set(tmp_path, "nucla").clips
    assert not find_problems(clips, joints=True)
    joints.write_text("{")
    assert not find_problems(clips)
    assert str(joints) in str(find_problems(clips, joints=True)[clip])
