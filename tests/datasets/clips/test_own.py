"""Videos of one's own: their poses are found, and what cannot be a clip is named."""

from pathlib import Path

import numpy as np
import pytest

from datasets.clips.own import find_poses, own_clip, require_own_video
from datasets.clips.pose_json import write_pose_json
from datasets.clips.sets import read_keypoints
from datasets.errors import FormatError, MismatchError, MissingDataError
from tests.datasets.clip_files import cut_short, write_grey_video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_grey_video(tmp_path / "walk.mp4", 12, "libx264")


@pytest.mark.parametrize(
    ("ending", "joints", "run", "form"),
    [
        ("_skeleton2d.json", 18, "ntu", "nucla"),
        ("_pose3d.json", 13, "ntu", "smarthome"),
        ("_pose3d.json", 18, "nucla", "nucla"),
    ],
)
def test_poses_are_read_in_the_form_that_their_ending_and_the_run_say(
    video, ending, joints, run, form
):
    poses = video.parent / "poses" / f"walk{ending}"
    poses.parent.mkdir()
    points = np.random.default_rng(0).uniform(2, 20, (12, joints, 2)).round(3)
    write_pose_json(poses, points)
    assert find_poses(video) == find_poses(video, poses.parent) == find_poses(video, poses) == poses
    clip = own_clip(video, poses, run)
    assert clip.format == form
    np.testing.assert_allclose(read_keypoints(clip), points, rtol=1e-6)


def test_a_video_without_poses_has_no_keypoints(video):
    assert find_poses(video) is None
    clip = own_clip(video, None, "smarthome")
    assert clip.format == "smarthome" and np.isnan(read_keypoints(clip)).all()


def test_the_poses_of_ntu_lack_the_ending_of_its_videos(tmp_path):
    poses = tmp_path / "S001C001P003R001A001.skeleton"
    poses.touch()
    assert find_poses(Path("S001C001P003R001A001_rgb.avi"), tmp_path) == poses


def test_poses_that_are_named_must_be_there_and_of_a_known_form(video):
    with pytest.raises(MissingDataError, match="nowhere does not exist"):
        find_poses(video, video.parent / "nowhere")
    with pytest.raises(MissingDataError, match="none of walk_skeleton2d.json"):
        find_poses(video, video.parent)
    with pytest.raises(FormatError, match=r"walk\.mp4 has no known form"):
        find_poses(video, video)
    upper = video.with_name("WALK.SKELETON")
    upper.touch()
    assert find_poses(video, upper) == upper and own_clip(video, upper, "nucla").format == "ntu"


def test_videos_are_whole_and_as_long_as_a_clip(video):
    require_own_video(video, 12)
    with pytest.raises(MismatchError, match=r"has 12 frames, .* spans 13\..*--short"):
        require_own_video(video, 13)
    require_own_video(video, 13, short=True)
    with pytest.raises(MissingDataError, match=r"is a folder: name the videos in it, .*\*\.mp4"):
        require_own_video(video.parent, 1)
    with pytest.raises(MissingDataError, match="nowhere"):
        require_own_video(video.parent / "nowhere.mp4", 1)
    whole = write_grey_video(video.parent / "long.avi", 60)
    with pytest.raises(ValueError, match=r"long\.avi ends after"):
        require_own_video(cut_short(whole), 1)
