"""Poses that do not fit their video are counted as bad, and never read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datasets.clips.checks import find_problems
from datasets.clips.pose_checks import require_fitting
from datasets.clips.samples import SampleConfig, load_sample
from datasets.clips.sets import get_format, open_clip_set
from datasets.errors import FormatError, MismatchError
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
        (lambda points: points[:20], MismatchError),
        (lambda points: np.concatenate([points, points]), MismatchError),
        (lambda points: np.full_like(points, np.nan), FormatError),
    ],
    ids=["shares", "from_-1_to_1", "larger_picture", "shorter", "longer", "nobody"],
)
def test_other_poses_are_refused(change: Poses, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"poses\.json"):
        require_fitting(change(pose()), SHAPE, POSES)


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
