"""Cameras of a JSON file: still, on a link, through a lens, and in other conventions."""

import json

import numpy as np
import pytest

from datasets.calibration.reading import read_cameras
from datasets.errors import DamagedDataError, FormatError, MissingDataError, UnknownNameError
from tests.datasets.kinematics.arm import SIZE, camera, load_arm, make_motion, rig_camera

TURN = np.diag([1.0, -1, -1, 1])


def stored(**more):
    seen = camera()
    return {
        "intrinsics": seen.intrinsics.tolist(),
        "pose": seen.world_to_camera.tolist(),
        **more,
    }


def write(folder, content):
    file = folder / "rig.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def read_rig(file):
    return {view: parts.camera(view) for view, parts in read_cameras([str(file)]).items()}


def test_a_still_camera_projects_as_ours_do(tmp_path):
    rig = read_rig(write(tmp_path, {"front": stored()}))["front"]
    points = np.random.default_rng(0).uniform(-0.5, 0.8, (20, 3))
    pixels, inside = rig.project(points, rig.at(3), (SIZE, SIZE))
    expected, _ = camera().project(points)
    np.testing.assert_allclose(pixels, expected)
    np.testing.assert_array_equal(inside, camera().contains(expected))


def test_rays_through_a_lens_lead_back_to_their_pixels(tmp_path):
    lens = {"lens": "fisheye", "distortion": [-0.02, 0.01, 0.0, 0.0]}
    rig = read_rig(write(tmp_path, {"v": stored(**lens)}))["v"]
    pixels = np.random.default_rng(0).uniform(0, SIZE, (20, 2))
    again, _ = rig.project(rig.rays(pixels), np.eye(4), (SIZE, SIZE))
    np.testing.assert_allclose(again, pixels, atol=1e-6)


def test_a_camera_on_a_link_moves_with_it(tmp_path):
    rig = read_rig(write(tmp_path, {"wrist": stored(link="lower")}))["wrist"]
    motion = make_motion(load_arm(tmp_path))
    for time in (0, 5):
        motion.place(time)
        in_link = np.linalg.inv(motion.robot.pose("lower"))
        np.testing.assert_allclose(motion.world_to_camera(rig, time), rig.pose @ in_link)


def test_a_camera_on_a_link_that_does_not_exist(tmp_path):
    rig = read_rig(write(tmp_path, {"wrist": stored(link="hand")}))["wrist"]
    with pytest.raises(UnknownNameError, match="unknown link of arm 'hand'"):
        make_motion(load_arm(tmp_path)).world_to_camera(rig, 0)


@pytest.mark.parametrize(
    ("convention", "pose"),
    [
        ("world-to-camera", lambda ours: ours),
        ("camera-to-world", np.linalg.inv),
        ("world-to-camera-opengl", lambda ours: TURN @ ours),
        ("camera-to-world-opengl", lambda ours: np.linalg.inv(TURN @ ours)),
    ],
)
def test_poses_of_other_conventions_become_ours(tmp_path, convention, pose):
    theirs = stored(pose=pose(camera().world_to_camera).tolist())
    rig = read_rig(write(tmp_path, {"v": theirs}))["v"].read_as(convention)
    np.testing.assert_allclose(rig.pose, rig_camera().pose, atol=1e-12)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("{", DamagedDataError, "not valid JSON"),
        ("[]", FormatError, "is no calibration that can be read"),
        ("{}", FormatError, "is no calibration that can be read"),
        ({"v": {"pose": []}}, FormatError, "pose must be 4 lists of 4"),
        ({"v": stored(intrinsics=[])}, FormatError, "intrinsics must be 3 lists of 3"),
        ({"v": stored(intrinsics=np.zeros((3, 3)).tolist())}, FormatError, "not calibrated"),
        ({"v": stored(size=[0, 3])}, FormatError, "size must be two numbers above 0"),
        ({"v": stored(size=3)}, FormatError, "size must be a list of 2"),
        ({"v": stored(poses=[])}, FormatError, "unknown entry of .*'poses'; did you mean 'pose'"),
        ({"v": stored(lens="round")}, FormatError, "unknown lens"),
        ({"v": stored(distortion=[1, 2])}, FormatError, "plumb_bob has 0 or 4 or 5 or 8"),
        ({"v": stored(distortion=["a"])}, FormatError, "must be a list of numbers"),
        ({"v": stored(pose=np.diag([2.0, 1, 1, 1]).tolist())}, FormatError, "no rotation"),
    ],
)
def test_what_a_file_says_wrongly_is_named(tmp_path, content, error, message):
    with pytest.raises(error, match=message):
        read_rig(write(tmp_path, content))


def test_a_missing_file(tmp_path):
    with pytest.raises(MissingDataError, match="rig.json does not exist"):
        read_rig(tmp_path / "rig.json")
