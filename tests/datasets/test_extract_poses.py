import importlib
import sys
from types import SimpleNamespace

import matplotlib.cbook
import numpy as np
import pytest
from PIL import Image

from datasets import extract_poses as module
from datasets.clips.own import find_poses
from datasets.clips.sets import open_clip_set, read_keypoints
from datasets.errors import MismatchError, MissingDataError, MissingLibraryError
from datasets.extract_poses import ExtractConfig, extract_poses, find_videos, to_coco18
from datasets.skeletons import COCO18
from datasets.video import write_video
from tests.datasets.clip_files import HEIGHT, WIDTH, cut_short, write_grey_video


def index(name):
    return COCO18.keypoints.index(name)


def landmarks():
    """33 visible landmarks on a horizontal line."""
    return np.column_stack([np.arange(33) / 100, np.full(33, 0.5), np.ones(33)])


def test_mediapipe_s_landmarks_become_openpose_s_keypoints():
    points = to_coco18(landmarks(), height=200, width=1000, visibility=0.5)
    # mediapipe's landmark 0 is the nose, 2 and 5 are the centres of the eyes, 16 the right wrist.
    for name, number in (("nose", 0), ("left_eye", 2), ("right_eye", 5), ("right_wrist", 16)):
        np.testing.assert_allclose(points[index(name)], [10 * number, 100])
    np.testing.assert_allclose(points[index("left_ankle")], [270, 100])
    np.testing.assert_allclose(points[index("neck")], [115, 100])  # between 11 and 12


def test_hidden_keypoints_are_missing_and_so_is_the_neck_of_a_hidden_shoulder():
    marks = landmarks()
    marks[[11, 16], 2] = 0.4
    points = to_coco18(marks, 200, 1000, visibility=0.5)
    missing = {index(name) for name in ("left_shoulder", "neck", "right_wrist")}
    assert set(np.flatnonzero(np.isnan(points).any(axis=1))) == missing


class FakePose:
    """An estimator that finds a person in every second frame, with the landmarks above."""

    def __init__(self, model_complexity):
        self.frames = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def process(self, frame):
        assert frame.shape == (HEIGHT, WIDTH, 3)
        self.frames += 1
        if self.frames % 2 == 0:
            return SimpleNamespace(pose_landmarks=None)
        marks = [SimpleNamespace(x=x, y=y, visibility=v) for x, y, v in landmarks()]
        return SimpleNamespace(pose_landmarks=SimpleNamespace(landmark=marks))


@pytest.fixture
def fake(monkeypatch):
    solutions = SimpleNamespace(pose=SimpleNamespace(Pose=FakePose))
    monkeypatch.setattr(module, "load_mediapipe", lambda: SimpleNamespace(solutions=solutions))


@pytest.fixture
def videos(tmp_path):
    write_grey_video(tmp_path / "nucla" / "a01" / "v01_s01_e00.avi", 4)
    write_grey_video(tmp_path / "nucla" / "ucla_rgb" / "view_2" / "a01_s01_e00.mp4", 4, "libx264")
    return tmp_path / "nucla"


def test_the_reader_finds_the_poses_in_both_layouts(fake, videos):
    assert extract_poses(ExtractConfig(videos, workers=1)) == []
    clips = open_clip_set(videos, "nucla").clips
    assert len(clips) == 2
    for clip in clips:
        keypoints = read_keypoints(clip)
        assert keypoints.shape == (4, 18, 2)
        assert np.isnan(keypoints[[1, 3]]).all()
        np.testing.assert_allclose(keypoints[0, 1], [0.115 * WIDTH, 0.5 * HEIGHT], atol=1e-3)


def test_an_interrupted_extraction_is_resumed_and_bad_videos_are_named(fake, videos):
    bad = videos / "a01" / "v01_s01_e00.avi"
    whole = bad.read_bytes()
    bad.write_bytes(b"no video")
    problems = extract_poses(ExtractConfig(videos, workers=1))
    assert len(problems) == 1 and str(bad) in str(problems[0])
    done = list(videos.rglob("*.json"))
    assert len(done) == 1
    time = done[0].stat().st_mtime_ns
    bad.write_bytes(whole)
    assert extract_poses(ExtractConfig(videos, workers=1)) == []
    assert len(list(videos.rglob("*.json"))) == 2 and done[0].stat().st_mtime_ns == time


def test_a_truncated_video_is_named_and_gets_no_poses(fake, tmp_path):
    video = cut_short(write_grey_video(tmp_path / "a01" / "v01_s01_e00.avi", 60))
    problems = extract_poses(ExtractConfig(tmp_path, workers=1))
    assert len(problems) == 1 and f"{video} ends after" in str(problems[0])
    assert not list(tmp_path.rglob("*.json"))


def test_one_video_and_no_video(fake, videos, tmp_path):
    video = videos / "a01" / "v01_s01_e00.avi"
    extract_poses(ExtractConfig(video, out=tmp_path / "out", workers=1))
    assert (tmp_path / "out" / "v01_s01_e00_skeleton2d.json").exists()
    with pytest.raises(MissingDataError):
        find_videos(tmp_path / "out")


def test_the_error_without_mediapipe_names_the_command_that_installs_it(monkeypatch, videos):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(MissingLibraryError, match=r"posealign\[poses\]"):
        extract_poses(ExtractConfig(videos))


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("mediapipe") is None, reason="needs pip install 'posealign[poses]'"
)
def test_the_real_estimator_finds_a_person(tmp_path):
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        portrait = Image.open(file).convert("RGB").resize((410, 480))
    frames = []
    for t in range(4):
        frame = Image.new("RGB", (640, 480), (120, 120, 120))
        frame.paste(portrait, (40 + 30 * t, 0))
        frames.append(np.asarray(frame))
    root = tmp_path / "nucla"
    write_video(root / "a01" / "v01_s01_e00.avi", frames, 30)
    assert extract_poses(ExtractConfig(root, workers=1)) == []
    keypoints = read_keypoints(open_clip_set(root, "nucla").clips[0])
    offset = keypoints - [[[40 + 30 * t, 0]] for t in range(4)]
    # The positions of the nose and the left shoulder were measured in the picture.
    for name, place in (("nose", (219, 175)), ("left_shoulder", (363, 345))):
        np.testing.assert_allclose(offset[:, index(name)], [place] * 4, atol=30)
    assert (keypoints[:, index("left_eye"), 0] > keypoints[:, index("right_eye"), 0]).all()


def test_poses_of_another_video_are_named(fake, videos):
    assert extract_poses(ExtractConfig(videos, workers=1)) == []
    video = videos / "a01" / "v01_s01_e00.avi"
    write_grey_video(video, 20)
    [problem] = extract_poses(ExtractConfig(videos, workers=1))
    assert "poses of 4 frames, its video has 20" in str(problem) and "Remove it" in str(problem)


def test_videos_that_would_share_a_file_of_poses_are_refused(fake, videos):
    write_grey_video(videos / "a01" / "v01_s01_e00.mp4", 4, "libx264")
    with pytest.raises(MismatchError, match=r"v01_s01_e00.avi and .*v01_s01_e00.mp4"):
        extract_poses(ExtractConfig(videos, workers=1))


def test_poses_that_a_reader_does_not_take_are_named(fake, tmp_path, caplog):
    video = write_grey_video(tmp_path / "S001C001P001R001A001_rgb.avi", 4)
    assert extract_poses(ExtractConfig(tmp_path, workers=1)) == []
    assert "action.train reads the data set's own skeletons alone" in caplog.text
    assert find_poses(video) == tmp_path / "poses" / "S001C001P001R001A001_rgb_skeleton2d.json"
