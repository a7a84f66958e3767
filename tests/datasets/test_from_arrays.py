"""`datasets.write_episode`: a data set from arrays, with frames of any ratio."""

import numpy as np
import pytest

import datasets
from datasets.cameras import Camera
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError, FormatError, MismatchError, OptionError, UnknownNameError

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


FEW = np.zeros((STEPS, 2))
NAN_ROW = np.where(np.arange(STEPS)[:, None] == 2, np.nan, np.zeros((STEPS, 7)))
POSE, LENS = np.eye(4), np.array([[40.0, 0, 20], [0, 40, 15], [0, 0, 1]])
IN_PICTURE = np.full((STEPS, 2, 2), 9.0)
NO_ARRAYS = {
    "rows of other lengths": ({"joints": [[1.0], [1.0, 2]]}, "joints must be numbers in rows"),
    "text": ({"joints": [["a"]] * STEPS}, "joints must be numbers, but could not convert"),
    "a table": ({"joints": {"a": 1}}, "joints must be numbers"),
    "complex numbers": ({"actions": FEW + 1j}, "actions must be numbers, got complex128"),
    "times": (
        {"joints": np.zeros(STEPS, "datetime64[ns]")},
        "joints must be numbers, got datetime",
    ),
    "gaps": ({"joints": np.ma.masked_equal(FEW, 0)}, "joints has masked values"),
    "a missing row": ({"joints": FEW[1:]}, "joint_pos has 4 time steps, the episode 5"),
    "no number in a row": ({"joints": NAN_ROW}, "joint_pos are not all finite"),
    "matrices as joints": ({"joints": FEW[:, None]}, "one row for each time step"),
    "no joints": ({"joints": FEW[:, :0]}, "one row for each time step"),
    "text as observation": (
        {"observations": {"x": ["a"] * STEPS}},
        "observation x must be numbers",
    ),
    "a path as observation": ({"observations": {"a/b": FEW}}, "observations has the name 'a/b'"),
    "two joints": ({"joints": FEW, "observations": {"joint_pos": FEW}}, "observations has as well"),
    "frames of two sizes": ({"images": {"a": [frames()[0], frames()[0, :9]]}}, "need one size"),
    "frames without pixels": ({"images": {"a": frames()[:, :0]}}, "images of a must be uint8 RGB"),
    "frames without a view": ({"images": frames()}, "images must be {view: array}"),
    "a path as view": ({"images": {"a/b": frames()}}, "images has the name 'a/b'"),
    "a number as view": ({"images": {1: frames()}}, "images has the name 1"),
    "a huge size": ({"size": 100_000}, "size 100000 is out of range: it must be from 1 to 8192"),
    "half a pixel": ({"size": 16.5}, "size must be a whole number of pixels"),
    "no size": ({"size": 0}, "size 0 is out of range"),
    "a rate of 0": ({"hz": 0}, "hz 0 is out of range"),
    "a rate as text": ({"hz": "20"}, "hz must be a number, got '20'"),
    "intrinsics and pose swapped": ({"cameras": {"front": (POSE, LENS)}}, "in this order"),
    "intrinsics over time": ({"cameras": {"front": (LENS[None], POSE)}}, "in this order"),
    "a camera as dictionary": ({"cameras": {"front": {"pose": POSE}}}, "must be a Camera"),
    "no camera": ({"cameras": {"front": None}}, "must be a Camera, or .*, got NoneType"),
    "keypoints without a view": ({"keypoints": IN_PICTURE}, "keypoints must be {view: array}"),
    "keypoints of other pictures": ({"keypoints": {"front": IN_PICTURE * 50}}, "in no frame"),
    "keypoints as text": ({"keypoints": {"front": [["a"]]}}, "keypoints of front must be numbers"),
    "confidences": (
        {"keypoints": {"front": IN_PICTURE}, "visible": {"front": FEW + 0.3}},
        "visible of front must be true or false, got 0.3. Compare confidences",
    ),
    "one name for two keypoints": (
        {"keypoints": {"front": IN_PICTURE}, "skeleton": ["tip", "tip"]},
        "a different name for each keypoint, got 'tip', 'tip'",
    ),
    "phases as numbers": ({"phases": [0] * STEPS, "phase_names": ["go"]}, "such as 'go'"),
    "one name for two phases": ({"phase_names": ["go", "go"]}, "different names, got 'go', 'go'"),
    "too many phases": ({"phase_names": [str(i) for i in range(300)]}, "1 to 256 different names"),
    "a number as task": ({"task": 3}, "task must be a sentence, got 3"),
}


@pytest.mark.parametrize(("arguments", "message"), NO_ARRAYS.values(), ids=NO_ARRAYS)
def test_what_cannot_be_stored_is_named_and_nothing_is_written(tmp_path, arguments, message):
    with pytest.raises((DataError, OptionError), match=message):
        datasets.write_episode(tmp_path / "a", **({"images": {"front": frames()}} | arguments))
    assert not (tmp_path / "a").exists()


def test_numbers_of_numpy_and_arrays_of_objects_are_numbers(tmp_path):
    values = np.arange(STEPS * 2).reshape(STEPS, 2).astype(object)
    datasets.write_episode(
        tmp_path / "a", {"front": frames()}, joints=values, hz=np.float32(15), size=np.int64(16)
    )
    datasets.finish_data_set(tmp_path / "a", *(np.int64(count) for count in (1, 0, 0)))
    data = EpisodeDataset(tmp_path / "a")
    assert (data.meta.control_hz, data.meta.image_size) == (15.0, 16)
    np.testing.assert_array_equal(data.observation(0, "joint_pos"), values.astype(float))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({}, "have joint_pos of shape .*7.*, this one no joint_pos"),
        ({"joints": np.zeros((STEPS, 5))}, "7.* this one joint_pos of shape .*5"),
        ({"joints": np.zeros((STEPS, 7)), "actions": FEW}, "have no actions"),
        (
            {"joints": np.zeros((STEPS, 7)), "cameras": {"front": camera()}},
            "have no camera of front",
        ),
    ],
)
def test_all_episodes_have_the_measurements_of_the_first(tmp_path, second, message):
    first = {"joints": np.zeros((STEPS, 7))}
    datasets.write_episode(tmp_path / "a", {"front": frames()}, **first)
    with pytest.raises(MismatchError, match=message):
        datasets.write_episode(tmp_path / "a", {"front": frames(1)}, **second)
    assert datasets.write_episode(tmp_path / "a", {"front": frames(1)}, **first) == 1


def test_the_folder_is_found_at_home_and_is_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    datasets.write_episode("~/a", {"front": frames()})
    assert datasets.finish_data_set("~/a") == tmp_path / "a/a.hdf5"
    with pytest.raises(OptionError, match="a.hdf5 is a file. Name a folder"):
        datasets.write_episode(tmp_path / "a/a.hdf5", {"front": frames()})
    with pytest.raises(OptionError, match="which must add up"):
        datasets.finish_data_set(tmp_path / "a", train=1.0, valid=0, test=0)
