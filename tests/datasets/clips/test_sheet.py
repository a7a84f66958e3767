"""The contact sheet of clips: which are shown, and that the command writes it."""

import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from datasets.clips.mocap import MocapMeta
from datasets.clips.sets import get_format, open_clip_set
from datasets.clips.sheet import clip_sheet
from datasets.errors import MissingDataError
from datasets.info import main
from datasets.video import write_video
from tests.datasets.clip_files import add_ntu, make_poses
from tests.datasets.clips.test_formats import save_pickled

SIZE, FRAMES, RED = 64, 6, (255, 0, 0)


@pytest.fixture(scope="module")
def clips_root(tmp_path_factory):
    """Six clips of two actions whose person stands at the picture's left, on a red ground."""
    root, fmt = tmp_path_factory.mktemp("clips"), get_format("nucla")
    for action in (1, 2):
        for view in (1, 2, 3):
            clip = fmt.identify(root / f"a{action:02}" / f"v{view:02}_s01_e00.avi")
            assert clip is not None
            video, skeleton = root / fmt.video_name(clip), root / fmt.skeleton_name(clip)
            for path in (video, skeleton):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_video(video, np.full((FRAMES, SIZE, SIZE, 3), RED, np.uint8), 30)
            keypoints = np.full((FRAMES, len(fmt.skeleton), 2), 10.0)
            fmt.write_keypoints(skeleton, keypoints, SIZE)
    return root


def test_a_row_a_class_with_poses_where_they_are(clips_root):
    clips = open_clip_set(clips_root, "nucla").clips
    sheet = np.asarray(clip_sheet(clips, rows=6, columns=3, cell=64)).astype(int)
    red = np.abs(sheet - (254, 0, 0)).max(axis=-1) < 12
    # Two classes give two rows of three pictures, all red but for the pose and its outline.
    assert 0.85 < red.sum() / (2 * 3 * 64 * 64) < 1.0
    assert sheet.shape[0] < 3 * 64
    left = np.flatnonzero(red.any(axis=0))[0]
    first = red[:, left : left + 64][np.flatnonzero(red[:, left + 40])[:64]]
    rows, columns = np.flatnonzero(~first.all(axis=1)), np.flatnonzero(~first.all(axis=0))
    assert 4 <= rows.mean() <= 16
    assert 4 <= columns.mean() <= 16


@pytest.fixture
def own_clips(clips_root, tmp_path):
    """A copy of the clips for tests that change them."""
    return shutil.copytree(clips_root, tmp_path / "own")


def posed_pictures(sheet, columns):
    """Whether each of a sheet's pictures of 64 pixels shows a pose, so that it is not all red."""
    picture = np.asarray(sheet).astype(int)
    gap, left = 2, sheet.width - columns * (64 + 2) - 2
    red = np.abs(picture - (254, 0, 0)).max(axis=-1) < 12
    rows = range((sheet.height - gap) // (64 + gap))
    cells = [
        [red[gap + row * 66 :, left + column * 66 :][:64, :64] for column in range(columns)]
        for row in rows
    ]
    return [[not cell[4:-4, 4:-4].all() for cell in row] for row in cells]


def test_clips_without_poses_are_shown_without(clips_root):
    clips = [replace(c, skeleton=None) for c in open_clip_set(clips_root, "nucla").clips]
    sheet = clip_sheet(clips, columns=3, cell=64)
    assert posed_pictures(sheet, 3) == [[False] * 3] * 2


def test_a_clip_with_poses_stands_for_its_class(clips_root):
    clips = open_clip_set(clips_root, "nucla").clips
    one = next(clip for clip in clips if clip.label == 1 and clip.camera == 3)
    clips = [clip if clip == one else replace(clip, skeleton=None) for clip in clips]
    sheet = clip_sheet(clips, columns=3, cell=64)
    assert posed_pictures(sheet, 3) == [[False] * 3, [True] * 3]


@pytest.mark.parametrize("steps", [FRAMES + 3, FRAMES - 3])
def test_a_skeleton_of_nearly_the_length_of_its_video(own_clips, steps):
    clip = open_clip_set(own_clips, "nucla").clips[0]
    fmt = get_format("nucla")
    fmt.write_keypoints(clip.skeleton, np.full((steps, len(fmt.skeleton), 2), 10.0), SIZE)
    assert posed_pictures(clip_sheet([clip], columns=3, cell=64), 3) == [[True] * 3]


def test_no_clip_is_one_clear_error():
    with pytest.raises(MissingDataError):
        clip_sheet([])


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Runs the command; gives its exit status, what it printed, and the sheet's place."""

    def run_main(root, layout, *options, out=tmp_path / "sheet.png"):
        arguments = [str(root), "--format", layout, "--contact-sheet", str(out), *options]
        monkeypatch.setattr(sys, "argv", ["info", *arguments])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code
        return status, capsys.readouterr(), out

    return run_main


@pytest.mark.slow
def test_the_command_writes_it_and_names_motions(own_clips, run):
    motions = dict(zip(get_format("nucla").classes, ("walk", "kick"), strict=False))
    MocapMeta("nucla", motions, views=3, size=SIZE, seed=0, command="tests").save(own_clips)
    status, printed, out = run(own_clips, "nucla")
    assert status == 0 and str(out) in printed.out
    assert Image.open(out).width > 6 * 224


@pytest.mark.slow
def test_the_command_shows_clips_of_a_set_without_poses(own_clips, run):
    for clip in open_clip_set(own_clips, "nucla").clips:
        clip.skeleton.unlink()
    status, printed, out = run(own_clips, "nucla")
    assert status == 0 and "6 clips, 0 with poses" in printed.out
    assert Image.open(out).height > 2 * 224


@pytest.mark.slow
def test_the_command_shows_whole_clips_and_names_the_others(own_clips, run):
    bad = open_clip_set(own_clips, "nucla").clips[0]
    bad.video.write_bytes(b"no video")
    status, printed, out = run(own_clips, "nucla")
    assert f"error: {bad.video}" in printed.err and "1 of the clips" in status
    assert Image.open(out).height > 2 * 224


@pytest.mark.slow
def test_problems_are_reported_even_where_the_sheet_cannot_be_written(own_clips, run, tmp_path):
    bad = open_clip_set(own_clips, "nucla").clips[0]
    bad.video.write_bytes(b"no video")
    (tmp_path / "file").touch()
    status, printed, _ = run(own_clips, "nucla", out=tmp_path / "file" / "sheet.png")
    assert f"error: {bad.video}" in printed.err and "choose another --contact-sheet" in printed.err
    assert status == 2


@pytest.mark.slow
def test_the_command_loads_pickles_where_they_are_trusted(tmp_path, run):
    name = "S001C001P001R001A001"
    add_ntu(tmp_path / "ntu", name, pose=False)
    bodies = make_poses(25) * 30
    content = {"nbodys": [1] * 12, "njoints": 25, "rgb_body0": bodies}
    save_pickled(tmp_path / "ntu" / f"{name}.skeleton.npy", file_name=name, **content)
    status, _, out = run(tmp_path / "ntu", "ntu", "--trust-pickles")
    assert status == 0 and out.exists()
    out.unlink()
    status, printed, _ = run(tmp_path / "ntu", "ntu")
    assert "is a pickle" in printed.err and "no whole clip" in printed.err and not out.exists()
