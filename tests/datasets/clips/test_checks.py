import logging
import os
import subprocess
import sys

import pytest

from datasets.clips import checked, checks
from datasets.clips.checks import check_clips, find_problems
from datasets.clips.info import describe_clips
from datasets.clips.sets import open_clip_set, recognize_format
from datasets.errors import DamagedDataError, MissingDataError
from tests import REPOSITORY
from tests.datasets.clip_files import add_ntu

NAMES = [f"S001C00{c}P00{p}R001A001" for c in (1, 2, 3) for p in (1, 3)]


@pytest.fixture
def root(tmp_path):
    for name in NAMES:
        add_ntu(tmp_path / "ntu", name, frames=3)
    return tmp_path / "ntu"


def damage(root):
    """A video cut short, a skeleton cut short; returns the names of their clips."""
    video = root / "rgb" / f"{NAMES[0]}_rgb.avi"
    video.write_bytes(video.read_bytes()[:200])
    skeleton = root / "skeletons" / f"{NAMES[3]}.skeleton"
    skeleton.write_text(skeleton.read_text()[:500])
    return [NAMES[0], NAMES[3]]


def test_whole_clips_pass_and_so_do_clips_without_poses(root, caplog):
    (root / "skeletons" / f"{NAMES[1]}.skeleton").unlink()
    clips = open_clip_set(root, "ntu").clips
    with caplog.at_level(logging.WARNING):
        assert check_clips(clips, max_bad_share=0) == clips
    assert not caplog.text


def test_a_few_bad_clips_are_left_out_by_name(root, caplog):
    bad = damage(root)
    clips = open_clip_set(root, "ntu").clips
    with caplog.at_level(logging.WARNING):
        kept = check_clips(clips, max_bad_share=0.4)
    assert [clip.name for clip in clips if clip not in kept] == sorted(bad)
    assert "2 of 6 clips are left out" in caplog.text
    assert all(name in caplog.text for name in bad)


def test_too_many_bad_clips_stop_before_anything_starts(root):
    damage(root)
    clips = open_clip_set(root, "ntu").clips
    with pytest.raises(DamagedDataError, match=r"2 of 6 .*33\.3% .*10\.0%"):
        check_clips(clips, max_bad_share=0.1)


def test_a_clip_that_vanished_is_bad(root):
    clips = open_clip_set(root, "ntu").clips
    clips[2].video.unlink()
    assert list(find_problems(clips)) == [clips[2]]


def test_processes_find_the_same(root):
    damage(root)
    clips = open_clip_set(root, "ntu").clips
    assert list(find_problems(clips, workers=2)) == list(find_problems(clips))


@pytest.fixture
def reads(monkeypatch):
    """Names of the clips that are read, in order."""
    names = []

    def read(clip, trust_pickles, **options):
        names.append(clip.name)

    monkeypatch.setattr(checks, "find_problem", read)
    return names


def test_a_whole_clip_is_read_again_when_it_changed_or_on_request(root, reads):
    clips = open_clip_set(root, "ntu").clips
    check_clips(clips)
    assert sorted(reads) == sorted(NAMES)
    reads.clear()
    check_clips(clips)
    assert reads == []
    # The same bytes at another time, and poses that vanished.
    os.utime(clips[0].video, (1, 1))
    clips[1].skeleton.unlink()
    find_problems(clips)
    assert reads == [clips[0].name, clips[1].name]
    reads.clear()
    find_problems(clips[:3], again=True)
    find_problems(clips[3:], trust_pickles=True)
    assert reads == [clip.name for clip in clips]


def test_a_bad_clip_is_read_at_every_start(root):
    bad = damage(root)
    clips = open_clip_set(root, "ntu").clips
    for _ in range(2):
        assert sorted(clip.name for clip in find_problems(clips)) == sorted(bad)


def test_a_cache_that_cannot_be_used_is_named(root, reads, caplog, monkeypatch):
    clips = open_clip_set(root, "ntu").clips
    monkeypatch.setattr(checked, "user_cache", lambda: root)
    (root / "whole_clips.txt").mkdir()
    for _ in range(2):
        check_clips(clips)
    assert len(reads) == 2 * len(NAMES) and "whole_clips.txt cannot be written" in caplog.text


def test_a_video_of_one_frame_is_no_clip(tmp_path):
    add_ntu(tmp_path, NAMES[0], frames=1)
    (problem,) = find_problems(open_clip_set(tmp_path, "ntu").clips).values()
    assert f"{NAMES[0]}_rgb.avi has one frame" in str(problem)


def test_an_empty_split_is_reported():
    with pytest.raises(MissingDataError):
        check_clips([])


def test_the_report_counts(root):
    (root / "skeletons" / f"{NAMES[1]}.skeleton").unlink()
    (root / "rgb" / "S001C001P001R001A099_rgb.avi").write_text("")
    lines = [
        " ".join(line.split()) for line in describe_clips(open_clip_set(root, "ntu")).split("\n")
    ]
    assert lines[0].endswith("6 clips, 5 with poses")
    for line in ("CS 3 0 3", "CV 4 0 2", "CVS1 0 0 0", "drink water 6", "1 3", "3 2"):
        assert line in lines
    assert lines[lines.index("no poses: 1") + 1] == NAMES[1]
    assert "A099 is not among the 60 classes" in lines[lines.index("left out: 1") + 1]


def run_info(*arguments):
    command = [sys.executable, "-m", "datasets.info", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_the_command_lists_what_is_bad_and_fails(root):
    bad = damage(root)
    result = run_info(root, "--format", "ntu")
    assert result.returncode == 1
    assert "6 clips" in result.stdout and "every clip is whole" not in result.stdout
    assert all(name in result.stderr for name in bad)
    assert "2 of the clips cannot be trained on" in result.stderr


@pytest.mark.slow
def test_an_action_data_set_is_known_by_its_names(root):
    result = run_info(root)
    assert "--format ntu" in result.stdout
    assert "6 clips" in result.stdout


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["nturgb+d_rgb/S001C002P003R002A013_rgb.avi"], "ntu"),
        (["mp4/Cook.Cleandishes_p02_r00_v02_c03.mp4"], "smarthome"),
        (["multiview/a01/v01_s01_e00.avi"], "nucla"),
        (["000000/ego.mp4", "000000/view_0.mp4"], None),
        (["a01/v01_s01_e00.avi", "one.mp4", "two.mp4"], None),
        (["notes.txt"], None),
    ],
)
def test_names_tell_the_data_set(tmp_path, names, expected):
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert recognize_format(tmp_path) == expected


@pytest.mark.slow
def test_the_command_on_a_folder_of_something_else(tmp_path):
    result = run_info(tmp_path, "--format", "nucla")
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {tmp_path} holds no video of Northwestern-UCLA")


def test_a_clip_that_broke_is_read_to_its_end_at_the_next_start(tmp_path):
    add_ntu(tmp_path, NAMES[0], frames=60)
    [clip] = clips = open_clip_set(tmp_path, "ntu").clips
    whole = clip.video.read_bytes()
    place = whole.index(b"00dc", len(whole) // 2) + 8  # of a chunk, whose size stands before it
    size = int.from_bytes(whole[place - 4 : place], "little")
    clip.video.write_bytes(whole[:place] + bytes(size) + whole[place + size :])
    assert not find_problems(clips)  # its first frame is whole
    checked.remember_break(clip)
    assert str(clip.video) in str(find_problems(clips)[clip])
    clip.video.write_bytes(whole)
    os.utime(clip.video, (1, 1))
    assert not find_problems(clips)
