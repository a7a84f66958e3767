"""Names, labels and skeleton files of the three data sets, against known answers."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from datasets.clips import ntu, nucla, smarthome
from datasets.clips.sets import FORMATS, read_keypoints
from datasets.errors import DamagedDataError, FormatError, MismatchError, MissingDataError
from datasets.skeletons import COCO18
from tests.datasets.clip_files import WIDTH, make_poses, ntu_text, pose_json, write_grey_video
from tests.datasets.clip_files import write_openpose as write_openpose_folder

NTU, SMARTHOME, NUCLA = FORMATS["ntu"], FORMATS["smarthome"], FORMATS["nucla"]


def numbers(clip):
    return (clip.name, clip.label, clip.subject, clip.camera)


def read(fmt, video, skeleton, **kwargs):
    clip = fmt.identify(video)
    return read_keypoints(type(clip)(**{**vars(clip), "skeleton": skeleton}), **kwargs)


# Names


def test_ntu_names():
    clip = NTU.identify(Path("x/S017C003P040R002A060_rgb.avi"))
    assert numbers(clip) == ("S017C003P040R002A060", 59, 40, 3)
    assert (clip.setup, clip.replication, clip.action) == (17, 2, "walking apart")
    assert NTU.identify(Path("S001C001P001R001A061_rgb.avi")).label == -1
    assert NTU.identify(Path("S001C001P001R001A01_rgb.avi")) is None
    assert NTU.skeleton_of(Path("S001C001P001R001A001.skeleton")) == "S001C001P001R001A001"
    assert NTU.skeleton_of(Path("S001C001P001R001A001.skeleton.npy")) == "S001C001P001R001A001"
    assert NTU.skeleton_of(Path("S001C001P001R001A001_rgb.avi")) is None


def test_smarthome_names():
    clip = SMARTHOME.identify(Path("mp4/Cook.Cleandishes_p02_r00_v14_c03.mp4"))
    assert numbers(clip) == ("Cook.Cleandishes_p02_r00_v14_c03", 0, 2, 3)
    assert (clip.replication, clip.execution) == (0, 14)
    assert SMARTHOME.identify(Path("WatchTV_p25_r01_v00_c07.mp4")).label == 30
    assert SMARTHOME.identify(Path("Pour.Fromcup_p02_r00_v14_c03.mp4")).label == -1
    skeleton = Path("skeletonv12/WatchTV_p25_r01_v00_c07_pose3d.json")
    assert SMARTHOME.skeleton_of(skeleton) == "WatchTV_p25_r01_v00_c07"


@pytest.mark.parametrize(
    "path",
    [
        "multiview_action_videos/a08/v02_s03_e04.avi",
        "ucla_rgb/view_2/a08_s03_e04.mp4",
        "anywhere/a08_v02_s03_e04.mp4",
        "anywhere/v02_a08_s03_e04.avi",
    ],
)
def test_nucla_names_in_both_layouts(path):
    clip = NUCLA.identify(Path(path))
    assert numbers(clip) == ("a08_v02_s03_e04", 6, 3, 2)
    assert (clip.execution, clip.action) == (4, "donning")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        # These count actions from 1 without a gap, and executions from 1.
        ("ucla_skeletons/S01A01E01V01_skeleton2d.json", "a01_v01_s01_e00"),
        ("ucla_skeletons/S03A07E05V02_skeleton2d.json", "a08_v02_s03_e04"),
        ("ucla_skeletons/S10A10E11V03_skeleton2d.json", "a12_v03_s10_e10"),
        ("ucla_skeletons/S10A09E11V03_skeleton2d.json", "a11_v03_s10_e10"),
        ("ucla_skeletons/S10A11E11V03_skeleton2d.json", None),
        ("ucla_skeletons/S10A10E00V03_skeleton2d.json", None),
        ("poses/a08/v02_s03_e04_skeleton2d.json", "a08_v02_s03_e04"),
        ("a08/v02_s03_e04/v02_s03_e04_000000000000_keypoints.json", "a08_v02_s03_e04"),
        ("view_2/a08_s03_e04/a08_s03_e04_000000000000_keypoints.json", "a08_v02_s03_e04"),
        ("a08/v02_s03_e04.json", None),
    ],
)
def test_nucla_skeleton_names(path, name):
    assert NUCLA.skeleton_of(Path(path)) == name


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
def test_written_names_are_read_as_the_same_clip(fmt):
    video = {
        "ntu": "S002C002P003R002A013_rgb.avi",
        "smarthome": "Walk_p03_r01_v02_c04.mp4",
        "nucla": "a11/v03_s02_e07.avi",
    }[fmt.name]
    clip = fmt.identify(Path(video))
    assert numbers(fmt.identify(fmt.video_name(clip))) == numbers(clip)
    assert fmt.skeleton_of(fmt.skeleton_name(clip)) == clip.name


def test_classes_are_those_published():
    assert len(ntu.CLASSES) == len(set(ntu.CLASSES)) == 60
    assert len(smarthome.CLASSES) == 31 and list(smarthome.CLASSES) == sorted(smarthome.CLASSES)
    assert ntu.CLASSES[7:9] == ("sit down", "stand up") and ntu.CLASSES[49] == "punch or slap"
    assert " ".join(smarthome.CROSS_VIEW_CLASSES) == (
        "Cutbread Drink.Frombottle Drink.Fromcan Drink.Fromcup Drink.Fromglass Eat.Attable "
        "Eat.Snack Enter Getup Leave Pour.Frombottle Pour.Fromcan Readbook Sitdown Takepills "
        "Uselaptop Usetablet Usetelephone Walk"
    )
    assert list(nucla.ACTIONS) == [1, 2, 3, 4, 5, 6, 8, 9, 11, 12]
    missing = ntu.missing_skeletons()
    assert len(missing) == 302 and "S001C002P005R002A008" in missing


# NTU's skeletons


@pytest.fixture
def ntu_video(tmp_path):
    return write_grey_video(tmp_path / "S001C001P001R001A001_rgb.avi", 3)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_ntu_text_is_scaled_to_the_video(tmp_path, ntu_video, newline):
    poses = make_poses(25, 3) * (1920 / WIDTH)
    path = tmp_path / "S001C001P001R001A001.skeleton"
    frames = [poses[0][None].tolist(), [], poses[2][None].tolist()]
    path.write_bytes(ntu_text(frames, newline).encode())
    keypoints = read(NTU, ntu_video, path)
    assert keypoints.dtype == np.float32 and keypoints.shape == (3, 25, 2)
    np.testing.assert_allclose(keypoints[[0, 2]], poses[[0, 2]] * WIDTH / 1920, rtol=1e-6)
    assert np.isnan(keypoints[1]).all()


def test_ntu_joints_that_are_missing_are_nan_never_the_origin(tmp_path, ntu_video):
    person = make_poses(25, 1)[0] * (1920 / WIDTH)
    person[3] = 0
    person[4, 0] = np.nan
    person[5, 1] = np.inf
    path = tmp_path / "S001C001P001R001A001.skeleton"
    path.write_text(ntu_text([[person.tolist()]]))
    keypoints = read(NTU, ntu_video, path)[0]
    assert np.isnan(keypoints[[3, 4, 5]]).all()
    assert np.isfinite(np.delete(keypoints, [3, 4, 5], axis=0)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], r"line \d+:"),
        (lambda text: "x" + text, "line 1: 'x1'"),
        (lambda text: text.replace("72057594037931101", "7.2e16"), r"line 3: '7\.2e16'"),
        (lambda text: text.replace("\n25\n", "\n24\n"), "line 4: .*25"),
        (lambda text: text + "1\n", "line 30:"),
        (lambda text: "-1" + text[1:], "line 1: .* -1"),
        (lambda text: "999999999" + text[1:], "line 1: .* 999999999"),
        (lambda text: "", "line 1:"),
    ],
)
def test_damaged_ntu_text_names_the_line(tmp_path, ntu_video, change, message):
    path = tmp_path / "S001C001P001R001A001.skeleton"
    path.write_text(change(ntu_text([make_poses(25, 1).tolist()])))
    with pytest.raises(DamagedDataError, match=message) as error:
        read(NTU, ntu_video, path)
    assert str(path) in str(error.value)


def save_pickled(path, **content):
    np.save(path, np.array(content, dtype=object), allow_pickle=True)
    return path


def test_numbers_that_windows_calls_not_finite_are_missing(tmp_path, ntu_video):
    frames = (make_poses(25, 3)[:, None] * (1920 / WIDTH)).tolist()
    frames[0][0][3] = [7777, 8888]
    text = ntu_text(frames).replace("7777", "-1.#IND").replace("8888", "1.#QNAN")
    (path := tmp_path / "S001C001P001R001A001.skeleton").write_text(text)
    missing = np.isnan(read(NTU, ntu_video, path)).all(axis=-1)
    assert missing[0, 3] and missing.sum() == 1


def test_ntu_pickles_are_loaded_on_demand_only(tmp_path, ntu_video):
    bodies = make_poses(25, 3) * (1920 / WIDTH)
    bodies[1] = 0
    path = save_pickled(
        tmp_path / "S001C001P001R001A001.skeleton.npy",
        file_name="S001C001P001R001A001",
        nbodys=[1, 0, 1],
        njoints=25,
        skel_body0=np.ones((3, 25, 3)),
        rgb_body0=bodies,
    )
    with pytest.raises(FormatError, match="trust_pickles"):
        read(NTU, ntu_video, path)
    keypoints = read(NTU, ntu_video, path, trust_pickles=True)
    np.testing.assert_allclose(keypoints[[0, 2]], bodies[[0, 2]] * WIDTH / 1920, rtol=1e-6)
    assert np.isnan(keypoints[1]).all()


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ({"rgb_body0": Harmful()}, DamagedDataError, r"(posix|nt)\.mkdir"),
        ({"skel_body0": np.ones((3, 25, 3))}, MissingDataError, "`rgb_body0`"),
        ({"rgb_body0": np.ones((3, 24, 2))}, FormatError, r"\(3, 24, 2\)"),
        ({"rgb_body0": "text"}, FormatError, "rgb_body0"),
    ],
)
def test_ntu_pickles_with_something_else(tmp_path, ntu_video, monkeypatch, content, error, message):
    monkeypatch.chdir(tmp_path)
    path = save_pickled(tmp_path / "S001C001P001R001A001.skeleton.npy", **content)
    with pytest.raises(error, match=message):
        read(NTU, ntu_video, path, trust_pickles=True)
    assert not (tmp_path / "harm").exists()


def test_a_bare_pickle_is_refused(tmp_path, ntu_video):
    path = tmp_path / "S001C001P001R001A001.skeleton.npy"
    path.write_bytes(pickle.dumps({"rgb_body0": 1}))
    with pytest.raises(DamagedDataError):
        read(NTU, ntu_video, path, trust_pickles=True)


# Smarthome's and N-UCLA's


@pytest.fixture
def smarthome_video(tmp_path):
    return write_grey_video(tmp_path / "Walk_p03_r01_v02_c04.mp4", 3, "libx264")


@pytest.fixture
def nucla_video(tmp_path):
    return write_grey_video(tmp_path / "a01" / "v01_s01_e00.avi", 3)


@pytest.mark.parametrize("extra", [{}, {"K": [[1, 0, 0]]}], ids=["without K", "with K"])
def test_smarthome_json_is_coordinate_major(tmp_path, smarthome_video, extra):
    poses = make_poses(13, 3)
    poses[2, 5] = 0
    path = tmp_path / "Walk_p03_r01_v02_c04_pose3d.json"
    path.write_text(pose_json([poses[0][None], [], poses[2][None]], 13, **extra))
    first = json.loads(path.read_text())["frames"][0][0]["pose2d"]
    keypoints = read(SMARTHOME, smarthome_video, path)
    assert keypoints[0, :, 0].tolist() == np.float32(first[:13]).tolist()
    assert keypoints[0, :, 1].tolist() == np.float32(first[13:]).tolist()
    assert np.isnan(keypoints[1]).all() and np.isnan(keypoints[2, 5]).all()


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('{"njts": 13', DamagedDataError, None),
        ("[]", FormatError, "`frames`"),
        ('{"frames": 3}', FormatError, "`frames`"),
        ('{"njts": 17, "frames": []}', MismatchError, " 17 .* 13"),
        ('{"frames": [3]}', FormatError, "frame 0:"),
        ('{"frames": [[{}]]}', FormatError, "frame 0: .*26 `pose2d`"),
        ('{"frames": [[], [{"pose2d": [1, 2]}]]}', FormatError, "frame 1: .*26 `pose2d`"),
        ('{"frames": [[{"pose2d": ["a"' + ', "a"' * 25 + "]}]]}", FormatError, "'a'"),
        (
            '{"frames": [[{"pose2d": [1' + "0" * 400 + ", 1" * 25 + "]}]]}",
            FormatError,
            None,
        ),
        ("[" * 100_000, DamagedDataError, None),
    ],
)
def test_damaged_smarthome_json(tmp_path, smarthome_video, text, error, message):
    path = tmp_path / "Walk_p03_r01_v02_c04_pose3d.json"
    path.write_text(text)
    with pytest.raises(error, match=message) as raised:
        read(SMARTHOME, smarthome_video, path)
    assert str(path) in str(raised.value)


def test_nucla_reads_json_of_18(tmp_path, nucla_video):
    poses = make_poses(18, 3)
    path = tmp_path / "S01A01E01V01_skeleton2d.json"
    path.write_text(pose_json(poses[:, None], 18))
    np.testing.assert_allclose(read(NUCLA, nucla_video, path), poses, rtol=1e-6)


def test_nucla_reads_openpose_folders(tmp_path, nucla_video):
    poses = make_poses(18, 4)
    poses[0, 2] = 0
    folder = write_openpose_folder(
        tmp_path / "a01" / "v01_s01_e00", [poses[0][None], [], poses[2][None], poses[3][None]]
    )
    (folder / "v01_s01_e00_000000000002_keypoints.json").unlink()
    keypoints = read(NUCLA, nucla_video, folder)
    assert np.isnan(keypoints[0, 2]).all() and np.isnan(keypoints[[1, 2]]).all()
    np.testing.assert_allclose(keypoints[3], poses[3], rtol=1e-6)


def test_body_25_loses_the_middle_of_the_hips_and_the_feet(tmp_path, nucla_video):
    body = make_poses(25, 1)[0]
    folder = write_openpose_folder(tmp_path / "a01" / "v01_s01_e00", [[body]], points=25)
    keypoints = read(NUCLA, nucla_video, folder)[0]
    names = list(COCO18.keypoints)
    # BODY_25 has the right hip at 9, the left ankle at 14 and the left ear at 18.
    for name, index in (("neck", 1), ("right_hip", 9), ("left_ankle", 14), ("left_ear", 18)):
        np.testing.assert_allclose(keypoints[names.index(name)], body[index], rtol=1e-6)


def test_an_openpose_frame_far_away_is_refused(tmp_path, nucla_video):
    folder = write_openpose_folder(tmp_path / "a01" / "v01_s01_e00", [[make_poses(18, 1)[0]]])
    frame = folder / "v01_s01_e00_000000000000_keypoints.json"
    frame.rename(folder / "v01_s01_e00_999999999999_keypoints.json")
    with pytest.raises(FormatError, match=r"999999999999_keypoints\.json"):
        read(NUCLA, nucla_video, folder)


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
def test_written_keypoints_are_read_back(fmt, tmp_path, ntu_video, smarthome_video, nucla_video):
    video = {"ntu": ntu_video, "smarthome": smarthome_video, "nucla": nucla_video}[fmt.name]
    keypoints = make_poses(len(fmt.skeleton), 5).astype(np.float32)
    keypoints[1, 3] = np.nan
    keypoints[2] = np.nan
    path = tmp_path / fmt.skeleton_name(fmt.identify(video))
    fmt.write_keypoints(path, keypoints, WIDTH)
    np.testing.assert_allclose(read(fmt, video, path), keypoints, atol=1e-3)


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
def test_without_a_skeleton_every_frame_is_missing(fmt, ntu_video, smarthome_video, nucla_video):
    video = {"ntu": ntu_video, "smarthome": smarthome_video, "nucla": nucla_video}[fmt.name]
    keypoints = read(fmt, video, None)
    assert keypoints.shape == (3, len(fmt.skeleton), 2) and np.isnan(keypoints).all()
