"""Cameras on paths of a file: between its poses, in the episodes of a world, and clear refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from scipy.spatial.transform import Rotation

from datasets.calibration.reading import read_cameras
from datasets.cameras import Camera
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError, FormatError, MismatchError
from sims.config import GenerateConfig
from sims.errors import OptionError, SimulatorError
from sims.generate import generate
from sims.given_cameras import read_given
from tests.sims.runs import TOY

SIZE = 64
UP, MIDDLE = np.array([0.0, 0, 1]), np.array([0.2, 0.0, 0.4])
PLACES = [np.array([2.0, -1, 1]), np.array([2.0, 0, 1.4]), np.array([1.6, 1.2, 0.8])]
OPTIONS = {"episodes": 1, "size": SIZE, "split": "1,0,0", "workers": 1}
WORLDS = ["tests.sims.mujoco.worlds:Arm", "tests.sims.bullet.worlds:Arm"]


def camera(place):
    return Camera.look_at(place, MIDDLE, UP, 50.0, SIZE, SIZE)


def steps(times=(0.0, 0.2, 60.0)):
    poses = [camera(place).world_to_camera.tolist() for place in PLACES]
    return [{"time": t, "pose": pose} for t, pose in zip(times, poses, strict=True)]


def crane(**more):
    return {"intrinsics": camera(PLACES[0]).intrinsics.tolist(), "path": steps()} | more


@pytest.fixture
def rig(tmp_path):
    """Writes a rig of named cameras and returns its file as an option."""

    def write(**cameras):
        (tmp_path / "rig.json").write_text(json.dumps(cameras))
        return (str(tmp_path / "rig.json"),)

    return write


def test_between_its_poses_a_camera_goes_straight_and_turns_evenly(rig):
    given = read_given(rig(view_0=crane()), SIZE)
    first, second, last = (camera(place) for place in PLACES)
    for time, there in ((0.0, first), (0.2, second), (60.0, last)):
        np.testing.assert_allclose(
            given.at(time)["view_0"].world_to_camera, there.world_to_camera, atol=1e-9
        )
    between = given.at(0.05)["view_0"]
    np.testing.assert_allclose(between.position, first.position + [0, 0.25, 0.1])
    whole, quarter = (
        Rotation.from_matrix(each.world_to_camera[:3, :3] @ first.world_to_camera[:3, :3].T)
        for each in (second, between)
    )
    np.testing.assert_allclose(quarter.as_rotvec(), whole.as_rotvec() / 4)
    assert np.array_equal(between.intrinsics, first.intrinsics)


def test_the_path_is_part_of_the_rig(rig):
    still = {"intrinsics": crane()["intrinsics"], "pose": steps()[0]["pose"]}
    given = [
        read_given(rig(view_0=each, view_1=still), SIZE)
        for each in (crane(), crane(path=steps((0.0, 0.3, 60.0))), still)
    ]
    assert len({each.digest for each in given}) == 3
    assert [list(each.paths) for each in given] == [["view_0"], ["view_0"], []]
    assert given[0].at(1.0)["view_1"] is given[0].cameras["view_1"]


@pytest.mark.parametrize("world", WORLDS)
def test_keypoints_are_those_of_the_camera_where_it_is(rig, tmp_path, world):
    still = {"intrinsics": crane()["intrinsics"], "pose": steps()[0]["pose"]}
    config = GenerateConfig(
        **OPTIONS,
        env=world,
        masks=True,
        cameras=rig(view_0=crane(), view_1=still),
        out=tmp_path / "d",
    )
    generate(config)
    data = EpisodeDataset(config.root)
    assert data.meta.moving_cameras and data.meta.rig
    episode, robot = data.episode(0), data.meta.masks.index("robot")
    poses = episode.world_to_camera["view_0"]
    assert poses.shape == (len(episode), 4, 4) and episode.world_to_camera["view_1"].ndim == 2
    on_robot = []
    for time, pose in enumerate(poses):
        there = config.given_cameras.at(time / data.meta.control_hz)["view_0"]
        assert np.array_equal(pose, there.world_to_camera)
        pixels, _ = there.project(episode.keypoints_world[time])
        np.testing.assert_allclose(episode.keypoints["view_0"][time], pixels, atol=1e-3)
        columns, rows = np.floor(pixels[episode.visible["view_0"][time]]).astype(int).T
        off = distance_transform_edt(episode.masks["view_0"][time] != robot)
        on_robot += (off[rows, columns] <= 1).tolist()
    assert len(on_robot) > len(poses) and np.mean(on_robot) > 0.95
    assert not np.array_equal(episode.images["view_0"][0], episode.images["view_0"][-1])


def test_an_episode_longer_than_the_path_names_file_camera_and_range(rig, tmp_path):
    words = rig(view_0=crane(path=steps((0.0, 0.1, 0.2))))
    config = GenerateConfig(**OPTIONS, env=WORLDS[0], cameras=words, out=tmp_path / "d")
    with pytest.raises(MismatchError, match=r"rig\.json: view_0 has a path from 0 to 0\.2 s"):
        generate(config)
    assert not list(config.root.glob("**/*.hdf5"))
    with pytest.raises(MismatchError, match=r"from 0\.5 to 2 s.*is at 0 s"):
        read_given(rig(view_0=crane(path=steps((0.5, 1.0, 2.0)))), SIZE)


def spoilt(change):
    path = steps()
    change(path)
    return crane(path=path)


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        (crane(path=steps()[:1]), "two or more"),
        (crane(path=[]), "two or more"),
        (crane(path={"time": 0}), "two or more"),
        (crane(path=[{"time": 0}, {"time": 1}]), "two or more"),
        (crane(path=steps((0.0, 2.0, 1.0))), "must increase, but 1 s follows 2 s"),
        (crane(path=steps((0.0, 1.0, 1.0))), "must increase, but 1 s follows 1 s"),
        (crane(path=steps((0.0, float("nan"), 1.0))), "the times of path must be"),
        (crane(path=steps((0.0, "soon", 1.0))), "the times of path must be"),
        (spoilt(lambda path: path[1]["pose"][0].__setitem__(0, float("nan"))), r"at 0\.2 s: pose"),
        (spoilt(lambda path: path[1]["pose"][0].__setitem__(0, 5.0)), r"at 0\.2 s: pose is no rot"),
        (crane(pose=np.eye(4).tolist()), "leave out pose and link"),
        (crane(link="hand"), "leave out pose and link"),
    ],
)
def test_a_path_that_cannot_be_is_named(rig, parts, complaint):
    with pytest.raises(FormatError, match=rf"rig\.json: view_0.*{complaint}"):
        read_given(rig(view_0=parts), SIZE)


def test_what_cannot_follow_a_path_says_so(rig, tmp_path):
    words, out = rig(view_0=crane()), tmp_path / "d"
    with pytest.raises(OptionError, match=r"view_0 on a path: leave out --moving-cameras"):
        generate(
            GenerateConfig(**OPTIONS, env=WORLDS[0], cameras=words, moving_cameras=True, out=out)
        )
    with pytest.raises(SimulatorError):
        generate(GenerateConfig(**OPTIONS, env=TOY, cameras=words, out=out))
    assert not out.exists()
    with pytest.raises(DataError, match=r"view_0 moves on a path.*datasets\.write_episode"):
        read_cameras(words)["view_0"].camera("view_0")


def test_intrinsics_and_a_path_may_come_from_two_files(rig, tmp_path):
    (tmp_path / "info.json").write_text(
        json.dumps({"view_0": {"intrinsics": crane()["intrinsics"], "size": [SIZE, SIZE]}})
    )
    (moving,) = rig(view_0={"path": steps()})
    given = read_given((moving, str(tmp_path / "info.json")), SIZE)
    assert list(given.paths) == ["view_0"]
    with pytest.raises(MismatchError, match="both give the pose"):
        (tmp_path / "b.json").write_text(json.dumps({"view_0": {"pose": steps()[0]["pose"]}}))
        read_given((moving, str(tmp_path / "b.json")), SIZE)
