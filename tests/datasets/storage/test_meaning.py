"""Values that cannot be what their names say are errors, when a set is opened or by `info`."""

import json

import h5py
import numpy as np
import pytest

from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset, EpisodeWriter
from datasets.errors import FormatError, MismatchError
from datasets.info import InfoConfig, info
from datasets.storage.meta import DatasetMeta
from tests.datasets.synthetic import make_episode, make_meta


def put(file, name, change):
    value = change(file[name][()])
    del file[name]
    file[name] = value


def with_item(place, value):
    def change(values):
        values = values.copy()
        values[place] = value
        return values

    return change


def in_millimetres(pose):
    pose = pose.copy()
    pose[:3, 3] *= 1000
    return pose


# Faults of structure, which are cheap to see: opening for training and `info` both name them.
WHEN_OPENED = {
    "frames of floats": ("obs/ego_image", lambda x: (x / 255).astype(np.float32)),
    "frames of 16 bits": ("obs/ego_image", lambda x: x.astype(np.uint16)),
    "grey frames": ("obs/ego_image", lambda x: x[..., :1]),
    "fewer frames": ("obs/ego_image", lambda x: x[1:]),
    "phases of floats": ("phases", lambda x: x.astype(float)),
    "phases of 64 bits": ("phases", lambda x: x.astype(np.int64)),
    "phases beyond their names": ("phases", with_item(3, 9)),
    "fewer phases": ("phases", lambda x: x[1:]),
    "phases with an axis": ("phases", lambda x: x[:, None]),
    "one phase": ("phases", lambda x: x[0]),
    "more actions": ("actions", lambda x: np.concatenate([x, x[:1]])),
    "fewer states": ("states", lambda x: x[1:]),
    "one reward": ("rewards", lambda x: x[0]),
    "keypoints of whole numbers": ("obs/view_0_keypoints", lambda x: np.zeros_like(x, int)),
    "fewer keypoints": ("obs/view_0_keypoints", lambda x: x[:, 1:]),
    "visible of numbers": ("obs/view_0_visible", lambda x: x.astype(np.uint8)),
}
# Faults of values, which need every array to be read: `info` names them.
BY_INFO = {
    "visible keypoint of NaN": ("obs/view_0_keypoints", lambda x: np.full_like(x, np.nan)),
    "focal length of 0": ("cameras/ego/intrinsics", with_item((0, 0), 0.0)),
    "negative focal length": ("cameras/ego/intrinsics", with_item((1, 1), -50.0)),
    "intrinsics of NaN": ("cameras/ego/intrinsics", with_item((0, 2), np.nan)),
    "intrinsics of another shape": ("cameras/ego/intrinsics", lambda x: x[:2]),
    "intrinsics that are transposed": ("cameras/ego/intrinsics", lambda x: x.T),
    "pose of infinity": ("cameras/view_0/world_to_camera", with_item((0, 3), np.inf)),
    "pose that scales": ("cameras/view_0/world_to_camera", lambda x: x * [[2], [2], [2], [1]]),
    "pose that mirrors": ("cameras/view_0/world_to_camera", lambda x: x * [[-1], [1], [1], [1]]),
    "pose that is transposed": ("cameras/view_0/world_to_camera", lambda x: x.T),
    "pose of another shape": ("cameras/view_0/world_to_camera", lambda x: x[:3]),
    "fewer poses": ("cameras/ego/world_to_camera", lambda x: x[1:]),
    "principal point of larger pictures": ("cameras/ego/intrinsics", with_item((0, 2), 320.0)),
    "pose from the camera": ("cameras/view_0/world_to_camera", np.linalg.inv),
    "pose of OpenGL": ("cameras/view_0/world_to_camera", lambda x: np.diag([1, -1, -1, 1.0]) @ x),
    "pose in millimetres": ("cameras/view_0/world_to_camera", in_millimetres),
    "points in millimetres": ("keypoints_world", lambda x: 1000 * x),
    "keypoints of larger pictures": ("obs/view_0_keypoints", lambda x: 10 * x),
    "keypoints from 0 to 1": ("obs/view_0_keypoints", lambda x: x / 48),
    "keypoints with y first": ("obs/view_0_keypoints", lambda x: x[..., ::-1]),
    "fewer points": ("keypoints_world", lambda x: x[:, 1:]),
    "action of NaN": ("actions", with_item((2, 0), np.nan)),
    "state of infinity": ("states", with_item((2, 0), np.inf)),
    "joint of NaN": ("obs/robot0_gripper_qpos", with_item((2, 0), np.nan)),
    "fewer joints": ("obs/robot0_gripper_qpos", lambda x: x[1:]),
    "actions of text": ("actions", lambda x: np.full(x.shape, b"left")),
}
BOTH = WHEN_OPENED | BY_INFO


@pytest.fixture
def episode(own_dots):
    return own_dots / "episodes" / "000001.hdf5"


@pytest.mark.parametrize(("name", "change"), WHEN_OPENED.values(), ids=WHEN_OPENED.keys())
def test_opening_for_training_names_the_fault(own_dots, episode, name, change):
    with h5py.File(episode, "r+") as file:
        put(file, name, change)
    with pytest.raises((FormatError, MismatchError), match=str(episode)):
        EpisodeDataset(own_dots).check()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "change"), BY_INFO.values(), ids=BY_INFO.keys())
def test_info_names_the_fault_and_describes_the_rest(own_dots, episode, name, change, capsys):
    with h5py.File(episode, "r+") as file:
        put(file, name, change)
    problems = info(InfoConfig(own_dots, columns=1))
    assert len(problems) == 1 and isinstance(problems[0], (FormatError, MismatchError))
    assert str(episode) in str(problems[0]) and "\n" not in str(problems[0])
    assert "5 episodes" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(("name", "change"), BOTH.values(), ids=BOTH.keys())
def test_a_wrong_episode_is_not_converted(own_dots, episode, tmp_path, name, change):
    with h5py.File(episode, "r+") as file:
        put(file, name, change)
    for size in (None, 8):
        with pytest.raises((FormatError, MismatchError), match="demo_1|000001.hdf5"):
            convert(ConvertConfig(own_dots, tmp_path / "out", "robomimic", size=size))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("attribute", ["seed", "num_samples"])
@pytest.mark.parametrize("value", [3.5, "3", [3, 4], True])
def test_whole_numbers_are_whole(own_dots, episode, attribute, value):
    with h5py.File(episode, "r+") as file:
        file.attrs[attribute] = value
    assert [type(problem) for problem in info(InfoConfig(own_dots, columns=1))] == [FormatError]


def test_observations_have_names_of_their_own(tmp_path):
    meta = make_meta(size=16)
    for part in ("image", "keypoints", "visible"):
        episode = make_episode(meta, 0)
        episode.observations[f"ego_{part}"] = np.zeros((len(episode), 2))
        with pytest.raises(FormatError, match=f"observation ego_{part} has the name of a part"):
            EpisodeWriter(tmp_path, meta).write(0, episode)


def test_keypoints_are_no_shares_of_the_picture(tmp_path):
    meta = make_meta(size=16)
    episode = make_episode(meta, 0)
    for view in meta.views:
        episode.keypoints[view] = (episode.keypoints[view] / 16).clip(0, 0.99)
    episode.keypoints_world = None
    with pytest.raises(FormatError, match="keypoints of ego are from 0 to 1; they must be pixels"):
        EpisodeWriter(tmp_path, meta).write(0, episode)


@pytest.mark.slow
@pytest.mark.parametrize("value", ["False", b"no"])
def test_success_is_a_truth_value(own_dots, episode, value):
    with h5py.File(episode, "r+") as file:
        file.attrs["success"] = value
    [problem] = info(InfoConfig(own_dots, columns=1))
    assert "`success`" in str(problem) and str(episode) in str(problem)


def test_points_and_cameras_that_were_measured_may_differ_a_little(tmp_path):
    meta = make_meta(size=64)
    episode = make_episode(meta, 0)
    episode.keypoints["ego"] += 1.0
    episode.visible["ego"] &= (episode.keypoints["ego"] < 64).all(-1)
    EpisodeWriter(tmp_path, meta).write(0, episode)


@pytest.mark.slow
def test_a_camera_needs_both_of_its_parts(own_dots, episode):
    with h5py.File(episode, "r+") as file:
        del file["cameras/ego/intrinsics"]
    assert [type(problem) for problem in info(InfoConfig(own_dots, columns=1))] == [FormatError]


def test_a_wrong_episode_is_not_written(tmp_path):
    meta = make_meta(size=16)
    writer = EpisodeWriter(tmp_path, meta)
    for part, value in (("actions", np.nan), ("phases", 9)):
        episode = make_episode(meta, 0)
        getattr(episode, part)[1] = value
        with pytest.raises(FormatError, match="episode 0"):
            writer.write(0, episode)
    assert not writer.done()


def test_a_point_behind_the_camera_may_be_unknown(tmp_path):
    meta = make_meta(size=16)
    episode = make_episode(meta, 0)
    episode.keypoints["ego"][3], episode.visible["ego"][3] = np.nan, False
    EpisodeWriter(tmp_path, meta).write(0, episode)


META = {
    "no views": {"views": []},
    "a view twice": {"views": ["ego", "view_0", "ego"]},
    "a view that is a number": {"views": [0, 1]},
    "no phases": {"phases": []},
    "a phase twice": {"phases": ["reach", "reach"]},
    "too many phases": {"phases": [f"p{i}" for i in range(300)]},
    "no size": {"image_size": 0},
    "a negative size": {"image_size": -48},
    "a size of truth": {"image_size": True},
    "a vast size": {"image_size": 10**9},
    "no rate": {"control_hz": 0},
    "a negative rate": {"control_hz": -20},
    "a rate of NaN": {"control_hz": float("nan")},
    "an infinite rate": {"control_hz": float("inf")},
    "a rate as text": {"control_hz": "20"},
    "a seed with a fraction": {"seed": 0.5},
    "arguments that are a list": {"env_args": []},
}


@pytest.mark.parametrize("change", META.values(), ids=META.keys())
def test_metadata_that_cannot_be_right(own_dots, change):
    path = own_dots / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(FormatError, match=next(iter(change))):
        DatasetMeta.load(own_dots)
    with pytest.raises(FormatError, match="meta.json"):
        info(InfoConfig(own_dots, columns=1))
