"""`python -m datasets.keypoints`: recordings without keypoints get those of their robot."""

import json
import logging

import h5py
import numpy as np
import pytest
from PIL import Image

import datasets
from datasets.calibration.own import write_rig
from datasets.cameras import Camera
from datasets.episodes import EpisodeDataset
from datasets.errors import OptionError
from datasets.keypoints import main
from datasets.kinematics.points import Attachment
from datasets.kinematics.recording import base_pose
from datasets.kinematics.rig import RigCamera
from datasets.kinematics.track import add_keypoints
from datasets.lens import Lens
from datasets.source import bare_episode
from tests.datasets.kinematics.arm import (
    camera,
    joints,
    load_arm,
    make_motion,
    pictures,
    rig_camera,
    write_arm,
)


@pytest.fixture
def recording(tmp_path):
    """Three episodes of the arm as pictures, joints and a camera; no keypoints."""
    root = tmp_path / "recording"
    arm = load_arm(tmp_path)
    for i in range(3):
        values = joints() - 0.02 * i
        frames = {"front": pictures(make_motion(arm, values), rig_camera())}
        datasets.write_episode(root, frames, cameras={"front": camera()}, joints=values, hz=10)
    datasets.finish_data_set(root)
    return root


def run(recording, *options, robot=None):
    robot = robot or write_arm(recording.parent)
    main([str(recording), "--robot", str(robot), "--joints", "joint_pos", *map(str, options)])


@pytest.mark.slow
def test_keypoints_are_the_projected_links(recording, tmp_path, capsys):
    run(recording, "--out", tmp_path / "out", "--links", "upper", "lower", "left_tip:0,0,0.05")
    data = EpisodeDataset(tmp_path / "out")
    data.check(need_keypoints=True)
    shoulder, both = joints()[:, 0], joints().sum(1)
    elbow = 0.4 * np.stack([np.sin(shoulder), 0 * shoulder, np.cos(shoulder)], axis=1)
    tip = elbow + 0.45 * np.stack([np.sin(both), 0 * both, np.cos(both)], axis=1)
    expected, _ = camera().project(np.stack([0 * elbow, elbow, tip], axis=1))
    np.testing.assert_allclose(data.keypoints(0, "front"), expected, atol=1e-3)
    assert data.skeleton.keypoints == ("upper", "lower", "left_tip")
    assert data.visible(0, "front")[:, :2].all()
    assert data.split_sizes() == EpisodeDataset(recording).split_sizes()
    np.testing.assert_array_equal(
        data.images(0, "front"), EpisodeDataset(recording).images(0, "front")
    )
    assert "front: 100% of the silhouette's edge" in capsys.readouterr().out


def test_a_link_behind_another_is_hidden(tmp_path):
    # The elbow bends forward, so that from the front the lower link covers the upper one's middle.
    arm = load_arm(tmp_path)
    episode = bare_episode({"front": np.zeros((1, 64, 64, 3), np.uint8)})
    front = Camera.look_at(np.array([2.0, 0, 0.3]), np.zeros(3), np.array([0.0, 0, 1]), 60, 64, 64)
    cameras = {"front": RigCamera(front.intrinsics, front.world_to_camera)}
    places = [("upper", (0.0, 0.0, 0.2)), ("lower", (0.0, 0.0, 0.2))]
    points = [Attachment(link, offset, (link,)) for link, offset in places]
    straight, bent = ([[0.0, 0.0]], [[0.0, -2.8]])
    seen = [
        add_keypoints(episode, make_motion(arm, np.array(values)), cameras, points).visible["front"]
        for values in (straight, bent)
    ]
    assert seen[0].tolist() == [[True, True]]
    assert seen[1].tolist() != seen[0].tolist()


@pytest.mark.slow
def test_the_preview_shows_each_view(recording, tmp_path):
    run(recording, "--preview", tmp_path / "look")
    with Image.open(tmp_path / "look" / "front.png") as picture:
        assert picture.width == 4 * picture.height
        assert (np.asarray(picture)[..., 0] > np.asarray(picture)[..., 2]).any()
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_frames_are_padded_or_resized_with_their_keypoints(recording, tmp_path):
    run(recording, "--out", tmp_path / "out", "--size", "128")
    run(recording, "--out", tmp_path / "same")
    small, large = EpisodeDataset(tmp_path / "same"), EpisodeDataset(tmp_path / "out")
    np.testing.assert_allclose(
        large.keypoints(0, "front"), 2 * small.keypoints(0, "front"), atol=1e-3
    )


def test_views_without_cameras_can_be_left_out(tmp_path, capsys):
    arm, values = load_arm(tmp_path), joints()
    shown = pictures(make_motion(arm, values), rig_camera())
    datasets.write_episode(tmp_path / "two", {"front": shown, "hand": shown}, joints=values, hz=10)
    write_rig(tmp_path / "rig.json", {"front": rig_camera()})
    options = ["--cameras", tmp_path / "rig.json", "--split", "1,0,0", "--out", tmp_path / "out"]
    datasets.finish_data_set(tmp_path / "two")
    with pytest.raises(SystemExit):
        run(tmp_path / "two", *options)
    assert "lacks hand of" in capsys.readouterr().err
    run(tmp_path / "two", *options, "--views", "front")
    data = EpisodeDataset(tmp_path / "out")
    assert data.views == ["front"] and data.visible(0, "front").any()


def test_the_lens_of_the_rig_is_stored_and_used_again(recording, tmp_path, capsys):
    """Keypoints are where the stored camera shows the points, and the file needs no rig then."""
    seen, lens = camera(), {"lens": "plumb_bob", "distortion": [4.0, 0.0, 0.01, -0.01]}
    parts = {"intrinsics": seen.intrinsics.tolist(), "pose": seen.world_to_camera.tolist(), **lens}
    (tmp_path / "rig.json").write_text(json.dumps({"front": parts}))
    run(recording, "--out", tmp_path / "bent", "--cameras", tmp_path / "rig.json")
    judged = capsys.readouterr().out.splitlines()[:2]
    run(tmp_path / "bent", "--out", tmp_path / "again")
    assert capsys.readouterr().out.splitlines()[:2] == judged
    run(recording, "--out", tmp_path / "straight")
    bent, again, straight = (
        EpisodeDataset(tmp_path / name).episode(0) for name in ("bent", "again", "straight")
    )
    assert bent.lens("front") == again.lens("front") == Lens("plumb_bob", (4.0, 0.0, 0.01, -0.01))
    assert not straight.lenses
    np.testing.assert_array_equal(bent.keypoints["front"], again.keypoints["front"])
    apart = np.abs(bent.keypoints["front"] - straight.keypoints["front"])
    assert np.nanmax(apart) > 1
    for time, places in enumerate(bent.keypoints_world):
        pixels, _ = bent.camera("front", time).project(places)
        np.testing.assert_allclose(bent.keypoints["front"][time], pixels, atol=0.01)


@pytest.mark.slow
def test_another_convention_is_named(recording, caplog):
    for file in sorted((recording / "episodes").iterdir()):
        with h5py.File(file, "r+") as episode:
            name = "cameras/front/world_to_camera"
            episode[name][...] = np.linalg.inv(episode[name][...])
    with caplog.at_level(logging.WARNING):
        run(recording)
    assert "try --convention camera-to-world" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        run(recording, "--convention", "camera-to-world")
    assert "convention" not in caplog.text


@pytest.mark.slow
def test_cameras_of_another_program(recording, tmp_path, caplog):
    """OpenCV's file gives the same keypoints, and the silhouette tells an inverted pose."""
    cv2 = pytest.importorskip("cv2")
    run(recording, "--out", tmp_path / "own")
    for name, pose in (("right", camera().world_to_camera), ("wrong", camera().world_to_camera.T)):
        rotation, place = pose[:3, :3], camera().world_to_camera[:3, 3]
        storage = cv2.FileStorage(str(tmp_path / f"{name}.yml"), cv2.FILE_STORAGE_WRITE)
        storage.write("camera_matrix", camera().intrinsics - [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
        storage.write("rvec", cv2.Rodrigues(rotation)[0])
        storage.write("tvec", place if name == "right" else -rotation @ place)
        storage.release()
    file = f"front={tmp_path / 'right.yml'}"
    run(recording, "--cameras", file, "--out", tmp_path / "out")
    own, out = EpisodeDataset(tmp_path / "own"), EpisodeDataset(tmp_path / "out")
    np.testing.assert_allclose(out.keypoints(1, "front"), own.keypoints(1, "front"), atol=1e-3)
    assert "convention" not in caplog.text
    run(recording, "--cameras", f"front={tmp_path / 'wrong.yml'}")
    assert "try --convention camera-to-world" in caplog.text


def test_cameras_that_show_no_robot_are_refused(recording, tmp_path, capsys):
    """Those whose poses are in millimetres do not show it."""
    pose = camera().world_to_camera.copy()
    pose[:3, 3] *= 1000
    write_rig(tmp_path / "rig.json", {"front": RigCamera(camera().intrinsics, pose)})
    with pytest.raises(SystemExit) as end:
        run(recording, "--cameras", tmp_path / "rig.json", "--out", tmp_path / "out")
    assert end.value.code == 2
    assert "the robot is in no picture of any view. Check --cameras" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_silhouette_that_hardly_fits_is_named(recording, caplog):
    with caplog.at_level(logging.WARNING):
        run(recording, "--base", 0.3, 0, 0.1, "--offset", 0)
    assert "front: the robot's silhouette hardly fits the pictures" in caplog.text


def test_keypoints_that_nobody_sees_are_named(recording, caplog):
    with caplog.at_level(logging.WARNING):
        run(recording, "--links", "upper:0,0,40", "--offset", 0)
    assert "front: no keypoint can be seen" in caplog.text


def test_what_stands_still_is_named(recording, caplog):
    with caplog.at_level(logging.WARNING):
        run(recording)
    assert "left_finger stand where the robot's file has them" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gripper", "grip"], "has no 'grip'"),
        (["--base", "1", "2"], "--base needs x y z"),
        (["--degrees"], "Leave out --degrees"),
        (["--cameras", "rig.json"], "rig.json does not exist"),
        (["--links", "hand"], "unknown link of arm 'hand'"),
        (["--split", "9,9,9", "--out", "OUT"], "no more than 3 episodes"),
    ],
)
def test_mistakes_are_one_line(recording, tmp_path, capsys, options, message):
    options = [str(tmp_path / "out") if word == "OUT" else word for word in options]
    with pytest.raises(SystemExit) as end:
        run(recording, *options)
    assert end.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error
    assert not (tmp_path / "out").exists()


def test_a_base_may_be_turned():
    np.testing.assert_allclose(base_pose([1, 2, 3])[:3, 3], [1, 2, 3])
    turned = base_pose([0, 0, 0, 0, 0, 90])
    np.testing.assert_allclose(turned @ [1, 0, 0, 1], [0, 1, 0, 1], atol=1e-12)
    with pytest.raises(OptionError, match="got 4 numbers"):
        base_pose([1, 2, 3, 4])
    with pytest.raises(OptionError, match="--base nan must be a finite number"):
        base_pose([np.nan, 0, 0])
    with pytest.raises(OptionError, match="1e\\+12 m from the middle of the world"):
        base_pose([0, -1e12, 0])
