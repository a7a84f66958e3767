"""`datasets.write_episode`: a data set from arrays, with frames of any ratio."""

import numpy as np
import pytest

import datasets
from datasets.cameras import Camera
from datasets.episodes import EpisodeDataset
from datasets.errors import FormatError, MismatchError, OptionError, UnknownNameError

STEPS, HEIGHT, WIDTH = 5, 30, 40


def frames(seed=0, height=HEIGHT, width=WIDTH):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 256, (STEPS, height, width, 3), np.uint8)


def camera():
    eye = np.eye(4)
    eye[2, 3] = 2.0
    return Camera.from_fovy(60, WIDTH, HEIGHT, eye)


def test_pictures_alone_make_a_data_set(tmp_path):
    root = tmp_path / "mine"
    written = [datasets.write_episode(root, {"front": frames(i)}) for i in range(4)]
    datasets.finish_data_set(root)
    data = EpisodeDataset(root)
    data.check(need_keypoints=False)
    assert written == [0, 1, 2, 3]
    assert data.split_sizes() == {"train": 2, "valid": 1, "test": 1}
    assert data.images(0, "front").shape == (STEPS, WIDTH, WIDTH, 3)


@pytest.mark.parametrize(("fit", "size"), [("pad", None), ("pad", 64), ("squeeze", 64)])
def test_keypoints_and_intrinsics_follow_the_frames(tmp_path, fit, size):
    points = np.random.default_rng(1).uniform(-0.3, 0.3, (STEPS, 4, 3))
    pixels, _ = camera().project(points)
    datasets.write_episode(
        tmp_path / "a",
        {"front": frames()},
        keypoints={"front": pixels},
        cameras={"front": camera()},
        joints=np.zeros((STEPS, 7)),
        fit=fit,
        size=size,
    )
    datasets.finish_data_set(tmp_path / "a")
    data = EpisodeDataset(tmp_path / "a")
    again, _ = data.episode(0).camera("front").project(points)
    np.testing.assert_allclose(data.keypoints(0, "front"), again, atol=1e-3)
    assert data.observation(0, "joint_pos").shape == (STEPS, 7)


def test_bars_of_padding_are_even_and_black(tmp_path):
    datasets.write_episode(tmp_path / "a", {"front": frames()})
    datasets.finish_data_set(tmp_path / "a")
    stored = EpisodeDataset(tmp_path / "a").images(0, "front")
    bar = (WIDTH - HEIGHT) // 2
    np.testing.assert_array_equal(stored[:, bar:-bar], frames())
    assert not stored[:, :bar].any()
    assert not stored[:, -bar:].any()


def test_a_keypoint_outside_of_the_picture_is_not_visible(tmp_path):
    points = np.array([[[5.0, 5.0], [-1.0, 5.0], [5.0, HEIGHT + 1], [np.nan, np.nan]]])
    points = np.repeat(points, STEPS, axis=0)
    datasets.write_episode(tmp_path / "a", {"front": frames()}, keypoints={"front": points})
    datasets.finish_data_set(tmp_path / "a")
    data = EpisodeDataset(tmp_path / "a")
    assert data.visible(0, "front").tolist() == [[True, False, False, False]] * STEPS
    assert data.skeleton.keypoints == ("point_0", "point_1", "point_2", "point_3")


def test_phases_are_named(tmp_path):
    names = ("reach", "grasp")
    datasets.write_episode(
        tmp_path / "a", {"v": frames()}, phases=["reach"] * 3 + ["grasp"] * 2, phase_names=names
    )
    datasets.finish_data_set(tmp_path / "a", train=1, valid=0, test=0)
    assert EpisodeDataset(tmp_path / "a").phases(0).tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"images": {}}, OptionError, "names no view"),
        ({"images": {"v": frames().astype(float)}}, FormatError, "images of v must be uint8"),
        ({"images": {"v": frames(), "w": frames()[1:]}}, MismatchError, "{'v': 5, 'w': 4} frames"),
        ({"keypoints": {"w": np.zeros((STEPS, 2, 2))}}, MismatchError, r"keypoints names .*'w'"),
        ({"keypoints": {"v": np.zeros((4, 2, 2))}}, MismatchError, r"shape \(5, 2, 2\)"),
        ({"visible": {"v": np.ones((STEPS, 2))}}, MismatchError, "without keypoints"),
        ({"joints": np.zeros((4, 7))}, FormatError, "joint_pos has 4 time steps"),
        ({"phases": ["reach"]}, UnknownNameError, "unknown phase 'reach'"),
        ({"fit": "crop"}, OptionError, "unknown fit 'crop'"),
        ({"cameras": {"v": (np.eye(3),)}}, FormatError, "intrinsics and world_to_camera"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_written(tmp_path, change, error, message):
    with pytest.raises(error, match=message):
        datasets.write_episode(**{"folder": tmp_path / "a", "images": {"v": frames()}} | change)
    assert not list(tmp_path.rglob("*.hdf5"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": {"other": frames()}}, r"views \['v'\], this one \['other'\]"),
        ({"hz": 10}, "hz 20.0, this one 10"),
        ({"size": 20}, "size 40, this one 20"),
        ({"keypoints": {"v": np.ones((STEPS, 1, 2))}}, r"keypoints \[\], this one"),
    ],
)
def test_a_later_episode_must_be_like_the_first(tmp_path, change, message):
    datasets.write_episode(tmp_path / "a", {"v": frames()})
    with pytest.raises(MismatchError, match=message):
        datasets.write_episode(**{"folder": tmp_path / "a", "images": {"v": frames()}} | change)


def test_frames_of_another_size_join_the_first(tmp_path):
    datasets.write_episode(tmp_path / "a", {"v": frames()})
    datasets.write_episode(tmp_path / "a", {"v": frames(height=80, width=60)})
    with pytest.raises(OptionError, match="has 2 episodes"):
        datasets.finish_data_set(tmp_path / "a", train=1, valid=0, test=0)
    datasets.finish_data_set(tmp_path / "a")
    assert EpisodeDataset(tmp_path / "a").images(1, "v").shape == (STEPS, WIDTH, WIDTH, 3)
