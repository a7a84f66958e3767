"""Calibrations in the formats of others: the same camera comes out of each."""

import json

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from datasets.calibration.own import write_rig
from datasets.calibration.reading import read_cameras, read_file, whole_cameras
from datasets.errors import (
    DamagedDataError,
    FormatError,
    MismatchError,
    MissingDataError,
    UnknownNameError,
)
from datasets.kinematics.rig import RigCamera
from datasets.lens import Lens
from datasets.source import bare_episode

cv2 = pytest.importorskip("cv2")

MATRIX = np.array([[610.0, 0, 322], [0, 605, 238], [0, 0, 1]])
BROWN, FISHEYE = [-0.3, 0.08, 0.001, -0.002, 0.02], [-0.02, 0.01, -0.003, 0.001]
RVEC, TVEC = np.array([0.3, -0.2, 0.1]), np.array([0.1, -0.05, 1.5])
POSE = np.eye(4)
POSE[:3, :3], POSE[:3, 3] = Rotation.from_rotvec(RVEC).as_matrix(), TVEC
POINTS = np.random.default_rng(0).uniform(-0.4, 0.4, (30, 3))


def seen_by_opencv(fisheye=False):
    """Where OpenCV itself sees the points, with the first pixel's centre at (0, 0)."""
    if fisheye:
        pixels, _ = cv2.fisheye.projectPoints(POINTS[None], RVEC, TVEC, MATRIX, np.array(FISHEYE))
    else:
        pixels, _ = cv2.projectPoints(POINTS, RVEC, TVEC, MATRIX, np.array(BROWN))
    return pixels.reshape(-1, 2)


def require_same(camera, fisheye=False, scale=1.0):
    pixels, _ = camera.project(POINTS, POSE, (480, 640))
    expected = scale * (seen_by_opencv(fisheye) + 0.5)
    np.testing.assert_allclose(pixels, expected, atol=1e-6)


def opencv_file(path, fisheye=False, **more):
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    stored = {"image_width": 640, "image_height": 480, "camera_matrix": MATRIX} | more
    stored["distortion_coefficients"] = np.array(FISHEYE if fisheye else BROWN)
    for name, value in stored.items():
        storage.write(name, value)
    if fisheye:
        storage.write("fisheye_model", 1)
    storage.release()
    return path


def camera_info(path, fisheye=False, **changed):
    coefficients = FISHEYE if fisheye else BROWN
    stored = {
        "image_width": 640,
        "image_height": 480,
        "camera_name": "narrow",
        "camera_matrix": {"rows": 3, "cols": 3, "data": MATRIX.ravel().tolist()},
        "distortion_model": "equidistant" if fisheye else "plumb_bob",
        "distortion_coefficients": {"rows": 1, "cols": len(coefficients), "data": coefficients},
        "rectification_matrix": {"rows": 3, "cols": 3, "data": np.eye(3).ravel().tolist()},
    }
    path.write_text(yaml.safe_dump(stored | changed))
    return path


def message(path, names="KD", fisheye=False):
    """A camera_info as `rostopic echo` and `ros2 topic echo` print it."""
    matrix, distortion = names
    stored = {"header": {"frame_id": "c"}, "height": 480, "width": 640}
    stored["distortion_model"] = "equidistant" if fisheye else "plumb_bob"
    stored |= {matrix: MATRIX.ravel().tolist(), distortion: FISHEYE if fisheye else BROWN}
    path.write_text(yaml.safe_dump(stored))
    return path


def chain(path, header=""):
    both = {"camera_model": "pinhole", "resolution": [640, 480], "rostopic": "/image"}
    both["intrinsics"] = [610.0, 605.0, 322.0, 238.0]
    brown = {"distortion_model": "radtan", "distortion_coeffs": BROWN[:4]}
    wide = {"distortion_model": "equidistant", "distortion_coeffs": FISHEYE}
    wide["T_cn_cnm1"] = np.eye(4).tolist()
    path.write_text(header + yaml.safe_dump({"cam0": both | brown, "cam1": both | wide}))
    return path


def tutorial(path, names=("camera_matrix", "dist_coeff"), **more):
    """What programs in Python write of cv2.calibrateCamera's numbers."""
    stored = {names[0]: MATRIX.tolist(), names[1]: [BROWN], "image_width": 640}
    stored |= {"image_height": 480} | more
    dump = json.dumps if path.suffix == ".json" else yaml.safe_dump
    path.write_text(dump(stored))
    return path


def placed(parts):
    """The camera with the pose that all tests use."""
    assert parts.size == (480, 640)
    return RigCamera(parts.intrinsics, POSE, "", parts.lens, parts.size)


@pytest.mark.parametrize("fisheye", [False, True])
@pytest.mark.parametrize("suffix", ["yml", "json", "xml"])
def test_opencvs_own_files(tmp_path, suffix, fisheye):
    [parts] = read_file(opencv_file(tmp_path / f"a.{suffix}", fisheye)).values()
    require_same(placed(parts), fisheye)


@pytest.mark.parametrize(
    "stored",
    [
        {"rvec": RVEC, "tvec": TVEC},
        {"R": POSE[:3, :3], "T": TVEC[:, None]},
    ],
)
def test_opencvs_pose_leads_from_the_world_to_the_camera(tmp_path, stored):
    camera = read_cameras([str(opencv_file(tmp_path / "v.yml", **stored))])["v"].camera("v")
    np.testing.assert_allclose(camera.pose, POSE, atol=1e-12)


@pytest.mark.parametrize("suffix", ["yaml", "json"])
@pytest.mark.parametrize(
    "names",
    [
        ("camera_matrix", "dist_coeff"),
        ("mtx", "dist"),
        ("K", "distortion"),
        ("cameraMatrix", "distCoeffs"),
        ("K", "D"),
    ],
)
def test_what_python_programs_write_of_opencvs_numbers(tmp_path, suffix, names):
    [parts] = read_file(tutorial(tmp_path / f"a.{suffix}", names)).values()
    require_same(placed(parts))
    flat = {names[0]: MATRIX.ravel().tolist()}
    vectors = {"rvec": RVEC[:, None].tolist(), "tvec": TVEC[:, None].tolist()}
    file = tutorial(tmp_path / f"a.{suffix}", names, **flat, **vectors)
    [parts] = read_file(file).values()
    np.testing.assert_allclose(parts.pose, POSE, atol=1e-12)
    require_same(parts.camera("a"))


def test_a_printed_message_may_repeat(tmp_path):
    """`ros2 topic echo` ends each message with three dashes."""
    once = message(tmp_path / "a.yaml").read_text()
    again = once.replace("frame_id: c", "frame_id: c\n  seq: 2")
    for text in (f"{once}---\n", f"{once}---\n{once}---\n", f"{once}---\n{again}"):
        (tmp_path / "a.yaml").write_text(text)
        require_same(placed(read_file(tmp_path / "a.yaml")[""]))
    (tmp_path / "a.yaml").write_text(f"{once}---\n{once.replace('640', '320')}")
    with pytest.raises(FormatError, match="2 calibrations that differ"):
        read_file(tmp_path / "a.yaml")


def test_the_last_row_of_a_pose_may_be_rounded(tmp_path):
    pose = POSE.copy()
    pose[3] = [1e-9, 0, 0, 1 + 1e-7]
    (tmp_path / "a.json").write_text(json.dumps({"front": {"pose": pose.tolist()}}))
    np.testing.assert_allclose(read_file(tmp_path / "a.json")["front"].pose, POSE, atol=1e-6)


def test_the_transform_between_two_cameras_is_no_pose(tmp_path):
    stereo = {"R": POSE[:3, :3], "T": TVEC, "R1": np.eye(3), "R2": np.eye(3)}
    assert read_file(opencv_file(tmp_path / "v.yml", **stereo))[""].pose is None


@pytest.mark.parametrize("fisheye", [False, True])
@pytest.mark.parametrize("write", [camera_info, message])
def test_camera_info(tmp_path, write, fisheye):
    [parts] = read_file(write(tmp_path / "a.yaml", fisheye=fisheye)).values()
    require_same(placed(parts), fisheye)


def test_a_message_of_ros_2(tmp_path):
    [parts] = read_file(message(tmp_path / "a.yaml", "kd")).values()
    require_same(placed(parts))


@pytest.mark.parametrize("header", ["", "%YAML:1.0\n"])
def test_a_chain_of_kalibr(tmp_path, header):
    found = read_file(chain(tmp_path / "a.yaml", header))
    assert found["cam0"].lens.coefficients == tuple(BROWN[:4])
    require_same(placed(found["cam1"]), fisheye=True)


@pytest.mark.parametrize("nested", [False, True])
def test_droids_poses_lead_from_the_camera_by_angles_of_euler(tmp_path, nested):
    camera_to_base = np.linalg.inv(POSE)
    angles = Rotation.from_matrix(camera_to_base[:3, :3]).as_euler("xyz")
    six = [*camera_to_base[:3, 3], *angles]
    stored = {"relative_path": "a/b", "123_left": {"pose": six, "timestamp": 1.0}}
    (tmp_path / "a.json").write_text(json.dumps(stored if nested else {"123_left": six}))
    np.testing.assert_allclose(read_file(tmp_path / "a.json")["123_left"].pose, POSE, atol=1e-12)


def test_intrinsics_and_pose_of_two_files_are_one_camera(tmp_path):
    camera_info(tmp_path / "info.yaml")
    rig = {"wrist": {"pose": POSE.tolist(), "link": "hand"}}
    (tmp_path / "rig.json").write_text(json.dumps(rig))
    for words in (["wrist=info.yaml", "rig.json"], ["rig.json", "wrist=info.yaml"]):
        words = [word.replace("info", f"{tmp_path}/info") for word in words]
        words = [word.replace("rig", f"{tmp_path}/rig") for word in words]
        camera = read_cameras(words)["wrist"].camera("wrist")
        require_same(camera)
        assert camera.link == "hand"


def test_a_folder_holds_a_file_for_each_view(tmp_path):
    for view in ("front", "side"):
        camera_info(tmp_path / f"{view}.yaml")
    (tmp_path / "notes.txt").write_text("not read")
    assert list(read_cameras([str(tmp_path)])) == ["front", "side"]


def test_a_camera_of_several_is_chosen(tmp_path):
    chain(tmp_path / "chain.yaml")
    found = read_cameras([f"front={tmp_path / 'chain.yaml'}:cam1"])
    assert found["front"].lens.name == "fisheye"


def test_intrinsics_follow_smaller_pictures(tmp_path):
    parts = read_cameras([str(opencv_file(tmp_path / "v.yml", rvec=RVEC, tvec=TVEC))])
    episode = bare_episode({"v": np.zeros((1, 120, 160, 3), np.uint8)})
    require_same(whole_cameras(parts, episode, "a")["v"], scale=0.25)
    cut = bare_episode({"v": np.zeros((1, 160, 160, 3), np.uint8)})
    with pytest.raises(MismatchError, match="160 x 160 pixels, and its calibration is of 640 x"):
        whole_cameras(parts, cut, "a")


def test_a_written_rig_is_read_back(tmp_path):
    camera = RigCamera(MATRIX, POSE, "hand", Lens("fisheye", tuple(FISHEYE)), (480, 640))
    write_rig(tmp_path / "rig.json", {"v": camera, "plain": RigCamera(MATRIX, POSE)})
    back = read_cameras([str(tmp_path / "rig.json")])
    again = back["v"].camera("v")
    np.testing.assert_array_equal(again.intrinsics, MATRIX)
    np.testing.assert_array_equal(again.pose, POSE)
    assert (again.link, again.size) == ("hand", (480, 640))
    assert (again.lens.name, again.lens.coefficients) == ("fisheye", tuple(FISHEYE))
    assert back["plain"].size is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("just words", FormatError, "is no calibration that can be read: it must be OpenCV's YAML"),
        ("a: [1, 2", DamagedDataError, "is not valid YAML"),
        ("[" * 100_000, DamagedDataError, "is not valid"),
        ('{"front": {}, "front": {}}', DamagedDataError, "JSON .front stands twice"),
        ("front: {}\nfront: {}", DamagedDataError, "YAML .front stands twice"),
        (b"\xff\xfe\xff", DamagedDataError, "is no text"),
        ("a: !!opencv-matrix\n   rows: 3", DamagedDataError, "cannot be read by OpenCV"),
        ("K: [0, 0, 0, 0, 0, 0, 0, 0, 0]", FormatError, "camera is not calibrated"),
        ("K: [1, 2]", FormatError, "camera_matrix must be a list of 9 numbers"),
        ("K: [[1, 2], [3], [4]]", FormatError, "camera_matrix must be 3 lists of 3 numbers"),
        ("K: {rows: 3}", FormatError, "camera_matrix must be a list of 9"),
        (
            "{K: [1,0,0,0,1,0,0,0,1], distortion_model: plum_bob}",
            DamagedDataError,
            "is not valid JSON",
        ),
        (
            "K: [1,0,0,0,1,0,0,0,1]\ndistortion_model: plum_bob",
            FormatError,
            "did you mean 'plumb_bob'",
        ),
        ("K: [1,0,0,0,1,0,0,0,1]\nD: [1, a]", FormatError, "distortion must be a list of numbers"),
        ("K: [1,0,0,0,1,0,0,0,1]\nD: [1, .nan, 0, 0]", FormatError, "distortion must be a list"),
        (
            '{"v": {"intrinsics": [[1,0,0],[0,1,0],[0,0,1]], "size": [0, 0]}}',
            FormatError,
            "size must be two numbers above 0",
        ),
        ("K: [1,0,0,0,1,0,0,0,1]\nD: [1, 2]", FormatError, "plumb_bob has 0 or 4 or 5 or 8"),
        ("K: [9,0,0,0,9,0,5,5,1]", FormatError, "last row of the intrinsics must be 0, 0, 1"),
        ("K: [9,0,5,0,9,5,0,0,1]\nlens_distortion: [0.1]", FormatError, "lens_distortion is not"),
        ("v: [0.5, 0.1, 0.3, 98, 12, -40]", FormatError, "its angles reach 98.0, and must be in"),
        (
            '{"v": {"pose": [[1,0,0,0],[0,1,0,0],[0,0,1,0],[2,0,3,1]]}}',
            FormatError,
            "pose is no rotation and translation with the last row 0, 0, 0, 1",
        ),
        ("cam0: {camera_model: omni}", FormatError, "only pinhole can be read"),
        ("cam0: {camera_model: pinhole}", FormatError, "intrinsics must be a list of 4 numbers"),
        (
            "cam0: {camera_model: pinhole, intrinsics: [1, 1, 1, 1], resolution: 3}",
            FormatError,
            "resolution must be a list of 2",
        ),
    ],
)
def test_what_a_file_says_wrongly_is_named(tmp_path, content, error, message):
    file = tmp_path / "a.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(error, match=message) as found:
        read_file(file)
    assert str(file) in str(found.value)


def test_files_of_operating_systems_are_no_calibrations(tmp_path):
    opencv_file(tmp_path / "v.yml", rvec=RVEC, tvec=TVEC)
    (tmp_path / "._v.yml").write_bytes(b"\0\5\x16\7\xff")
    assert list(read_cameras([str(tmp_path)])) == ["v"]


def test_missing_parts_name_the_remedy(tmp_path):
    camera_info(tmp_path / "v.yaml")
    (tmp_path / "droid.json").write_text(json.dumps({"v": [0, 0, 0, 0, 0, 0]}))
    with pytest.raises(MissingDataError, match="v.yaml does not say where.*datasets.calibrate"):
        read_cameras([str(tmp_path / "v.yaml")])["v"].camera("v")
    with pytest.raises(MissingDataError, match=r"droid.json: v has no intrinsics.*v=camera_info"):
        read_cameras([str(tmp_path / "droid.json")])["v"].camera("v")


def test_words_that_cannot_be_are_named(tmp_path):
    file = chain(tmp_path / "chain.yaml")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match=r"holds the cameras cam0, cam1.*front=.*:cam0"):
        read_cameras([f"front={file}"])
    with pytest.raises(UnknownNameError, match="unknown camera of .* 'cam2'"):
        read_cameras([f"front={file}:cam2"])
    with pytest.raises(MissingDataError, match="holds no calibrations"):
        read_cameras([str(tmp_path / "empty")])
    with pytest.raises(MissingDataError, match=r"nowhere.yaml does not exist"):
        read_cameras([f"front={tmp_path / 'nowhere.yaml'}"])
    with pytest.raises(MismatchError, match="both give the intrinsics of one view"):
        read_cameras([f"front={file}:cam0", f"front={file}:cam1"])
    episode = bare_episode({"front": np.zeros((1, 8, 8, 3), np.uint8)})
    with pytest.raises(MissingDataError, match=r"lacks front of .*cam0, cam1.*--views"):
        whole_cameras(read_cameras([str(file)]), episode, "a")
