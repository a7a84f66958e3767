"""Poses that no single clip gives away are doubted where a whole set looks wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datasets.clips.info import clip_info
from datasets.clips.pose_survey import survey_poses
from datasets.clips.sets import get_format, open_clip_set
from tests.datasets.clip_files import write_grey_video

FRAMES, SIZE = 12, 64


def write_set(root: Path, change: Callable[[np.ndarray], np.ndarray], name: str = "nucla") -> Path:
    """Clips of a person who stands upright in the middle, whose poses are changed."""
    fmt, rng = get_format(name), np.random.default_rng(0)
    count = len(fmt.skeleton)
    for number in range(9):
        video = (
            root
            / {
                "nucla": f"a01/v01_s01_e{number:02}.avi",
                "ntu": f"S001C001P001R001A{number + 1:03}_rgb.avi",
            }[name]
        )
        write_grey_video(video, FRAMES, size=(SIZE, SIZE))
        poses = rng.uniform((22, 8), (42, 58), (FRAMES, count, 2))
        path = root / fmt.skeleton_name(fmt.identify(video))
        path.parent.mkdir(parents=True, exist_ok=True)
        fmt.write_keypoints(path, change(poses), SIZE)
    return root


def rarely(poses: np.ndarray) -> np.ndarray:
    return np.where(np.arange(FRAMES)[:, None, None] % 3, np.nan, poses)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda poses: poses, ""),
        (lambda poses: poses / 3, "smaller pictures; scale them to the videos' pixels"),
        (lambda poses: poses * 2, "larger pictures"),
        (lambda poses: poses[..., ::-1], "x and y are exchanged"),
        (rarely, "only 33% of the frames have a person"),
    ],
    ids=["right", "smaller", "larger", "exchanged", "rare"],
)
def test_the_report_says_what_looks_wrong(tmp_path, capsys, change, told):
    _, problems = clip_info(write_set(tmp_path, change), "nucla")
    assert not problems
    printed = capsys.readouterr().out
    assert told in printed and ("doubtful" in printed) == bool(told)


def test_poses_in_pixels_of_a_sensor_are_scaled_to_these(tmp_path):
    found = survey_poses(open_clip_set(write_set(tmp_path, lambda p: p / 3, "ntu"), "ntu").clips)
    assert found is not None and "pixels of 1920 x 1080" in " ".join(found.doubts())


def test_a_few_clips_prove_nothing(tmp_path):
    clips = open_clip_set(write_set(tmp_path, lambda poses: poses / 3), "nucla").clips
    few = survey_poses(clips[:3])
    assert few is not None and few.clips == 3 and not list(few.doubts())
    assert survey_poses([]) is None


def test_clips_that_share_a_video_are_listed(tmp_path, capsys):
    root = write_set(tmp_path, lambda poses: poses)
    clip_info(root, "nucla")
    # All grey videos are alike.
    assert "one video: 1" in capsys.readouterr().out
