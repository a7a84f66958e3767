"""Opening data sets by their files or by lists."""

import logging
import shutil
from itertools import product
from pathlib import Path

import pytest

from datasets.clips.sets import FORMATS, open_clip_set, read_keypoints
from datasets.errors import (
    FormatError,
    MismatchError,
    MissingDataError,
    OptionError,
    UnknownNameError,
)
from tests.datasets.clip_files import (
    add_ntu,
    add_nucla,
    add_smarthome,
    make_poses,
    pose_json,
    write_grey_video,
)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    for camera, subject in product((1, 2, 3), (1, 3)):
        add_ntu(root / "ntu", f"S001C00{camera}P00{subject}R001A00{camera}", frames=4)
    for camera, subject in product((1, 2, 5), (2, 3, 19)):
        add_smarthome(root / "smarthome", f"Walk_p{subject:02d}_r00_v00_c0{camera}", frames=4)
    for view, subject in product((1, 2, 3), (9, 10)):
        add_nucla(root / "nucla", 8, view, subject, frames=4)
    return root


@pytest.mark.parametrize("name", FORMATS)
def test_a_folder_is_opened_with_poses(sets, name):
    clips = open_clip_set(sets / name, name)
    assert len(clips.clips) == {"ntu": 6, "smarthome": 9, "nucla": 6}[name]
    assert all(clip.skeleton is not None for clip in clips.clips)
    assert [clip.name for clip in clips.clips] == sorted(clip.name for clip in clips.clips)
    poses = make_poses(len(clips.skeleton), 4)
    assert read_keypoints(clips.clips[0]) == pytest.approx(poses, rel=1e-5)
    parts = clips.split("CS")
    assert not {c.subject for c in parts["train"]} & {c.subject for c in parts["test"]}


def test_nucla_cross_subject_takes_other_test_subjects(sets):
    clips = open_clip_set(sets / "nucla", "nucla")
    assert {clip.subject for clip in clips.split("CS")["test"]} == {10}
    assert {clip.subject for clip in clips.split("CS", frozenset({9}))["test"]} == {9}
    with pytest.raises(OptionError, match="test_subjects.* CV1 "):
        clips.split("CV1", frozenset({9}))


def test_other_files_do_not_matter_and_links_to_folders_do(sets, tmp_path):
    (tmp_path / "rgb").symlink_to(sets / "ntu" / "rgb")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "notes.txt").write_text("S001C001P001R001A001")
    (tmp_path / ".S001C001P001R001A001_rgb.avi").write_text("half written")
    clips = open_clip_set(tmp_path, "ntu")
    assert len(clips.clips) == 6 and all(clip.skeleton is None for clip in clips.clips)


def test_clips_outside_the_classes_are_dropped_with_a_message(tmp_path, caplog):
    write_grey_video(tmp_path / "Walk_p03_r00_v00_c01.mp4", 2, "libx264")
    write_grey_video(tmp_path / "Pour.Fromcup_p03_r00_v00_c01.mp4", 2, "libx264")
    (tmp_path / "Enter_p03_r00_v00_c01_pose3d.json").write_text("{}")
    with caplog.at_level(logging.WARNING):
        clips = open_clip_set(tmp_path, "smarthome")
    assert [clip.action for clip in clips.clips] == ["Walk"]
    assert "left out 1 clip of other classes: Pour.Fromcup_p03" in caplog.text
    assert {path.name: why for path, why in clips.dropped.items()} == {
        "Pour.Fromcup_p03_r00_v00_c01.mp4": "Pour.Fromcup is not among the 31 classes",
        "Enter_p03_r00_v00_c01_pose3d.json": "no video",
    }


def test_clips_on_the_list_of_missing_skeletons_have_none(tmp_path):
    add_ntu(tmp_path, "S001C002P005R002A008", frames=2)
    assert open_clip_set(tmp_path, "ntu").clips[0].skeleton is None


def test_text_is_read_rather_than_a_pickle(tmp_path):
    add_ntu(tmp_path, "S001C001P001R001A001", frames=2)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "S001C001P001R001A001.skeleton.npy").write_bytes(b"")
    assert open_clip_set(tmp_path, "ntu").clips[0].skeleton.suffix == ".skeleton"


def test_two_files_of_one_clip_are_an_error(sets, tmp_path):
    root = shutil.copytree(sets / "smarthome", tmp_path / "set")
    video = next(root.glob("mp4/*"))
    twin = shutil.copy(video, video.with_suffix(".avi"))
    with pytest.raises(FormatError, match=r"\.mp4 .*\.avi|\.avi .*\.mp4"):
        open_clip_set(root, "smarthome")
    Path(twin).unlink()
    shutil.copytree(root / "skeletonv12", root / "skeletonv1")
    with pytest.raises(FormatError, match="skeletonv1.*skeletonv1"):
        open_clip_set(root, "smarthome")


@pytest.mark.parametrize("name", FORMATS)
def test_what_cannot_be_opened(sets, tmp_path, name):
    with pytest.raises(MissingDataError, match="nowhere"):
        open_clip_set(tmp_path / "nowhere", name)
    with pytest.raises(MissingDataError, match=str(tmp_path)):
        open_clip_set(tmp_path, name)
    with pytest.raises(UnknownNameError, match=f"'{name}x'.* '{name}'"):
        open_clip_set(sets, name + "x")


def test_an_unknown_protocol_and_one_without_clips(sets):
    clips = open_clip_set(sets / "ntu", "ntu")
    with pytest.raises(UnknownNameError, match="'cvs3'.* 'CVS3'"):
        clips.split("cvs3")
    with pytest.raises(MissingDataError, match="CVS1 .*train"):
        clips.split("CVS1")
    with pytest.raises(UnknownNameError, match="'lists'"):
        clips.split("lists")


# Lists


def write_lists(folder, **lines):
    folder.mkdir(exist_ok=True)
    for name, text in lines.items():
        (folder / f"{name}.csv").write_text("\n".join(text) + "\n")
    return folder


WALK = "mp4/Walk_p{:02d}_r00_v00_c01.mp4"
POSE = "skeletonv12/Walk_p{:02d}_r00_v00_c01_pose3d.json"


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize(
    "form", ["{v},{p},{label}", "{v}, {p}, {label}", "{v} {p} {label}", '"{v}","{p}","{label}"']
)
def test_lists_of_the_published_code(sets, tmp_path, form, absolute):
    root = sets / "smarthome"

    def line(subject):
        video, pose = WALK.format(subject), POSE.format(subject)
        start = f"{root}/" if absolute else ""
        return form.format(v=start + video, p=start + pose, label=29)

    folder = write_lists(tmp_path / "lists", train=[line(3)], val=[line(19)], test=[line(2)])
    clips = open_clip_set(root, "smarthome", folder)
    parts = clips.split("lists")
    assert {part: [clip.subject for clip in parts[part]] for part in parts} == {
        "train": [3],
        "valid": [19],
        "test": [2],
    }
    assert read_keypoints(parts["train"][0]).shape == (4, 13, 2)
    assert clips.classes_of("lists") == clips.classes
    assert clips.protocols == ("CS", "CV1", "CV2", "lists")
    with pytest.raises(OptionError, match="test_subjects.* lists "):
        clips.split("lists", frozenset({2}))


def test_lists_without_poses_find_them_by_name(sets, tmp_path):
    lines = ["video,label", WALK.format(3) + ",29"]
    folder = write_lists(tmp_path / "lists", train=lines)
    parts = open_clip_set(sets / "smarthome", "smarthome", folder).split("lists")
    assert parts["train"][0].skeleton.name == "Walk_p03_r00_v00_c01_pose3d.json"
    assert parts["valid"] == parts["test"] == ()


def test_labels_of_the_cross_view_classes_are_recognised(sets, tmp_path):
    folder = write_lists(tmp_path / "lists", train=[f"{WALK.format(3)},{POSE.format(3)},18"])
    clips = open_clip_set(sets / "smarthome", "smarthome", folder)
    assert clips.split("lists")["train"][0].label == 18
    assert len(clips.classes_of("lists")) == 19
    assert clips.clips[0].label == 29


def test_a_listed_pose_may_be_of_any_name(sets, tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "pose.json").write_text(pose_json(make_poses(13, 4)[:, None], 13))
    folder = write_lists(tmp_path / "lists", train=[f"{WALK.format(3)},pose.json,29"])
    clip = open_clip_set(sets / "smarthome", "smarthome", folder).split("lists")["train"][0]
    assert read_keypoints(clip).shape == (4, 13, 2)


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        (WALK.format(3), FormatError, "line 2:"),
        (f"{WALK.format(3)},x,y,29", FormatError, "line 2:"),
        (f"{WALK.format(3)},-1", FormatError, "line 2: '-1'"),
        (f"{WALK.format(3)},1.0", FormatError, r"line 2: '1\.0'"),
        ("holiday.mp4,29", FormatError, r"line 2: 'holiday\.mp4'"),
        (f"{WALK.format(3)},28", MismatchError, "line 2: .*28 .*'Walk'"),
        (f"{WALK.format(3)},99999", MismatchError, "line 2: .*99999 .*'Walk'"),
        (f"{WALK.format(2)},29", FormatError, r"line 2: Walk_p02\S+ .*\S+train\.csv, line 1"),
    ],
)
def test_wrong_lines_are_named(sets, tmp_path, line, error, message):
    folder = write_lists(tmp_path / "lists", train=[f"{WALK.format(2)},29", line])
    with pytest.raises(error, match=message) as raised:
        open_clip_set(sets / "smarthome", "smarthome", folder)
    assert "train.csv" in str(raised.value)


def test_listed_clips_outside_the_classes_are_dropped_with_a_message(sets, tmp_path, caplog):
    lines = ["mp4/Pour.Fromcup_p03_r00_v00_c01.mp4,22", f"{WALK.format(3)},29"]
    folder = write_lists(tmp_path / "lists", train=lines)
    with caplog.at_level(logging.WARNING):
        clips = open_clip_set(sets / "smarthome", "smarthome", folder)
    assert [clip.action for clip in clips.split("lists")["train"]] == ["Walk"]
    assert "left out 1 clip of other classes: Pour.Fromcup_p03" in caplog.text
    assert [path.name for path in clips.dropped] == ["Pour.Fromcup_p03_r00_v00_c01.mp4"]


@pytest.mark.parametrize("other", ["val", "test"])
def test_a_training_clip_in_another_list_is_an_error_that_names_both(sets, tmp_path, other):
    walks = {subject: f"{WALK.format(subject)},29" for subject in (2, 3)}
    lists = {"train": [walks[2], walks[3]], other: ["video,label", walks[3]]}
    folder = write_lists(tmp_path / "lists", **lists)
    both = rf"{other}\.csv, line 2: Walk_p03\S+ .*\S+train\.csv, line 2"
    with pytest.raises(FormatError, match=both):
        open_clip_set(sets / "smarthome", "smarthome", folder)


def test_a_clip_may_be_validated_and_tested_on_with_a_warning(sets, tmp_path, caplog):
    lines = {subject: f"{WALK.format(subject)},29" for subject in (2, 3, 19)}
    lists = {"train": [lines[3]], "val": [lines[2]], "test": [lines[2], lines[19]]}
    folder = write_lists(tmp_path / "lists", **lists)
    with caplog.at_level(logging.WARNING):
        parts = open_clip_set(sets / "smarthome", "smarthome", folder).split("lists")
    assert [clip.subject for clip in parts["valid"]] == [2]
    assert [clip.subject for clip in parts["test"]] == [2, 19]
    assert "val.csv and test.csv have 1 clips in common" in caplog.text
    assert "Walk_p02_r00_v00_c01" in caplog.text and "p19" not in caplog.text
    write_lists(folder, test=[lines[2], lines[2]])
    with pytest.raises(FormatError, match=r"test\.csv, line 2.* \S+test\.csv, line 1"):
        open_clip_set(sets / "smarthome", "smarthome", folder)


def test_lists_that_are_not_there(sets, tmp_path):
    with pytest.raises(MissingDataError, match=r"train\.csv"):
        open_clip_set(sets / "smarthome", "smarthome", tmp_path)
    folder = write_lists(tmp_path, train=[""])
    with pytest.raises(MissingDataError, match=r"train\.csv"):
        open_clip_set(sets / "smarthome", "smarthome", folder)
