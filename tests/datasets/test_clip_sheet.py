"""The contact sheet of clips: which are shown, and that the command writes it."""

import sys

import numpy as np
import pytest
from PIL import Image

from datasets.clip_sheet import clip_sheet
from datasets.clips import get_format, open_clip_set
from datasets.info import main
from datasets.mocap import MocapMeta
from datasets.video import write_video

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


def test_the_command_writes_it_and_names_motions(clips_root, tmp_path, monkeypatch, capsys):
    motions = dict(zip(get_format("nucla").classes, ("walk", "kick"), strict=False))
    MocapMeta("nucla", motions, views=3, size=SIZE, seed=0, command="tests").save(clips_root)
    out = tmp_path / "sheet.png"
    monkeypatch.setattr(
        sys, "argv", ["info", str(clips_root), "--format", "nucla", "--contact-sheet", str(out)]
    )
    main()
    assert str(out) in capsys.readouterr().out
    assert Image.open(out).width > 6 * 224
