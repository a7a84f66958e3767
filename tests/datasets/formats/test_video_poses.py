"""Folders of videos whose poses were extracted become episodes with a person's keypoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datasets.clips.pose_json import write_pose_json
from datasets.convert import main as convert
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError
from datasets.formats.videos import VideoSource
from datasets.skeletons import COCO18
from tests.datasets.video.numbered import number, write

NOSE, WRIST = (COCO18.keypoints.index(name) for name in ("nose", "right_wrist"))
FRAMES = {"front": 60, "side": 30}  # at as many frames a second


def poses(frames: int) -> np.ndarray:
    """The nose moves by a pixel in 30 frames a second, and the wrist leaves the picture."""
    points = np.full((frames, len(COCO18), 2), np.nan)
    points[:, NOSE] = np.column_stack([30 * np.arange(frames) / frames + 1, np.full(frames, 8)])
    points[:, WRIST] = (-5, 10)
    points[-1] = np.nan  # nobody
    return points


@pytest.fixture
def takes(tmp_path: Path) -> Path:
    for take in ("take_1", "take_2"):
        for view, frames in FRAMES.items():
            write(tmp_path / "takes" / take / f"{view}.mp4", frames, fps=frames)
            folder = tmp_path / "takes" / "poses" / take
            folder.mkdir(parents=True, exist_ok=True)
            write_pose_json(folder / f"{view}_skeleton2d.json", poses(frames))
    return tmp_path / "takes"


def test_each_frame_has_the_keypoints_of_its_own_picture(takes, tmp_path):
    words = [str(takes), str(tmp_path / "out"), "--to", "episodes", "--size", "48"]
    convert([*words, "--split", "1,1,0"])
    data, source = EpisodeDataset(tmp_path / "out"), VideoSource(takes)
    assert data.skeleton.keypoints == COCO18.keypoints
    for view, frames in FRAMES.items():
        shown = source.episode(0).images[view]
        height, width = shown.shape[1:3]
        expected = poses(frames)[[number(frame) for frame in shown]] * (48 / width, 48 / height)
        np.testing.assert_allclose(data.keypoints(0, view), expected, rtol=1e-5)
        seen = data.visible(0, view)
        np.testing.assert_array_equal(seen[:, NOSE], np.isfinite(expected[:, NOSE, 0]))
        assert seen[:-1, NOSE].all() and not seen[:, WRIST].any()


def test_the_folder_of_poses_is_no_episode_that_is_left_out(takes, caplog):
    assert VideoSource(takes).has_keypoints(0)
    assert "left out" not in caplog.text


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), "does not exist, and .*datasets.extract_poses"),
        (lambda file: write_pose_json(file, poses(29)), "poses of 29 frames, its video has 30"),
        (
            lambda file: write_pose_json(file, np.stack([poses(30), poses(30) + 1], axis=1)),
            "has 2 persons in frame 0",
        ),
    ],
)
def test_poses_that_do_not_fit_are_named(takes, damage, message):
    damage(takes / "poses" / "take_2" / "side_skeleton2d.json")
    with pytest.raises(DataError, match=rf"take_2/side_skeleton2d.json.*{message}"):
        VideoSource(takes).sound_episode(1)
