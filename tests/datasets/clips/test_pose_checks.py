"""Poses that do not fit their video are counted as bad, and never read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datasets.clips.checks import find_problems
from datasets.clips.pose_checks import COPY, require_by_axes, require_fitting
from datasets.clips.samples import SampleConfig, load_sample
from datasets.clips.sets import get_format, open_clip_set
from datasets.errors import FormatError, MismatchError
from datasets.skeletons import COCO18
from datasets.video import VideoShape
from tests.datasets.clip_files import make_poses, write_grey_video

SHAPE = VideoShape(frames=30, height=96, width=128, fps=30.0)
POSES = Path("poses.json")
Poses = Callable[[np.ndarray], np.ndarray]


def pose() -> np.ndarray:
    return make_poses(18, frames=30, size=(96, 128))


def test_poses_of_the_video_fit() -> None:
    keypoints = pose()
    require_fitting(keypoints, SHAPE, POSES)
    require_fitting(keypoints[:-3], SHAPE, POSES)
    keypoints[:20] = np.nan  # nobody in most frames
    require_fitting(keypoints, SHAPE, POSES)
    keypoints[20:, :5] -= 300  # some joints far outside
    require_fitting(keypoints, SHAPE, POSES)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda points: points / (128, 96), FormatError),
        (lambda points: 2 * points / (128, 96) - 1, FormatError),
        (lambda points: points * 15, MismatchError),
        (lambda points: points / 30, MismatchError),
        (lambda points: points[:20], MismatchError),
        (lambda points: np.concatenate([points, points]), MismatchError),
        (lambda points: np.full_like(points, np.nan), FormatError),
    ],
    ids=[
        "shares",
        "from_-1_to_1",
        "larger_picture",
        "smaller_picture",
        "shorter",
        "longer",
        "nobody",
    ],
)
def test_other_poses_are_refused(change: Poses, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"poses\.json"):
        require_fitting(change(pose()), SHAPE, POSES)


def test_the_remedy_is_in_the_pixels_of_the_file() -> None:
    shares, sensor = pose() / (128, 96), (1920, 1080)
    with pytest.raises(FormatError, match="multiply x by 128 and y by 96"):
        require_fitting(shares, SHAPE, POSES)
    with pytest.raises(FormatError, match="add 1, then multiply x by 64 and y by 48"):
        require_fitting(2 * shares - 1, SHAPE, POSES)
    # A file in the sensor's pixels is read scaled to the video's.
    with pytest.raises(FormatError, match=r"0\.\d+ to 0\.\d+.* x by 1920 and y by 1080"):
        require_fitting(shares * (128 / 1920), SHAPE, POSES, sensor)
    with pytest.raises(MismatchError, match="needs pixels of 1920 x 1080"):
        require_fitting(pose() / 40, SHAPE, POSES, sensor)
    nobody = np.full_like(shares, np.nan)
    with pytest.raises(FormatError, match="copy both again, or leave"):
        require_fitting(nobody, SHAPE, POSES, sensor, COPY)


def test_x_and_y_in_turn_are_told_from_all_x_and_then_all_y() -> None:
    # A body whose bones are short: each keypoint lies near the one before it.
    rng = np.random.default_rng(0)
    steps = rng.normal(0, 3, (30, 18, 2)) + (0, 4)
    body = np.cumsum(steps, axis=1) + (60, 10)
    require_by_axes(body, COCO18, POSES)
    in_turn = body.reshape(30, 2, 18).transpose(0, 2, 1)  # as `read_pose_json` reads such a file
    with pytest.raises(FormatError, match="all x, then all y"):
        require_by_axes(in_turn, COCO18, POSES)
    in_turn[:, 3] = np.nan
    require_by_axes(in_turn, COCO18, POSES)  # no frame is whole


def test_bad_poses_are_counted_and_not_sampled(tmp_path: Path) -> None:
    fmt = get_format("nucla")
    for execution in (0, 1):
        name = f"v01_s01_e0{execution}"
        write_grey_video(tmp_path / f"a01/{name}.avi", 30, size=(96, 128))
    clips = open_clip_set(tmp_path, "nucla").clips
    for clip, scale in zip(clips, (1, (128, 96)), strict=True):
        path = tmp_path / fmt.skeleton_name(clip)
        path.parent.mkdir(parents=True, exist_ok=True)
        fmt.write_keypoints(path, pose() / scale, 128)
    good, bad = open_clip_set(tmp_path, "nucla").clips
    assert list(find_problems([good, bad])) == [bad]
    assert load_sample(good, SampleConfig(frames=2, stride=2, size=32)).visible.any()
    with pytest.raises(FormatError, match="S01A01E02V01"):
        load_sample(bad, SampleConfig(frames=2, stride=2, size=32))
