"""Lenses are stored with the cameras of episodes, and whatever reads cameras follows them."""

from __future__ import annotations

import logging

import h5py
import numpy as np
import pytest

import datasets
from datasets.cameras import Camera
from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError, FormatError
from datasets.formats.detect import open_source
from datasets.info import main as info
from datasets.lens import Lens

STEPS, HEIGHT, WIDTH = 6, 48, 64
LENSES = {
    "short": Lens("plumb_bob", (-0.3, 0.08, 0.001, -0.002)),
    "rational": Lens("plumb_bob", (0.1, -0.05, 0.001, 0.002, 0.01, 0.05, 0.01, 0.001)),
    "fisheye": Lens("fisheye", (-0.02, 0.01, -0.003, 0.0005)),
    "equidistant": Lens("fisheye"),
}
MATRIX = np.array([[50.0, 0, 31], [0, 47, 25], [0, 0, 1]])


def poses():
    """A camera that moves past the points, which lie around the origin."""
    up, sides = np.array([0.0, 0, 1]), np.linspace(-0.4, 0.4, STEPS)
    return np.stack(
        [
            Camera.look_at(np.array([2.0, y, 0.5]), np.zeros(3), up, 60, 1, 1).world_to_camera
            for y in sides
        ]
    )


def points():
    return np.random.default_rng(0).uniform(-0.6, 0.6, (STEPS, 7, 3))


def seen_by_opencv(lens):
    """Pixels by OpenCV's own projection; the first pixel's centre is at (0.5, 0.5) here."""
    cv2 = pytest.importorskip("cv2")
    project = cv2.fisheye.projectPoints if lens.name == "fisheye" else cv2.projectPoints
    found = []
    for pose, places in zip(poses(), points(), strict=True):
        turn, _ = cv2.Rodrigues(pose[:3, :3])
        pixels, _ = project(places[:, None], turn, pose[:3, 3], MATRIX, np.array(lens.coefficients))
        found.append(pixels.reshape(-1, 2))
    return np.stack(found)


def write(root, lens, **more):
    for i in range(3):
        datasets.write_episode(
            root,
            {"front": np.full((STEPS, HEIGHT, WIDTH, 3), 90 + i, np.uint8)},
            cameras={"front": (MATRIX, poses(), lens)},
            keypoints={"front": seen_by_opencv(lens)},
            **more,
        )
    datasets.finish_data_set(root)
    return root


def require_agreement(episode):
    """Keypoints are where the stored camera shows the points, within 0.01 pixel."""
    for time, places in enumerate(points()):
        pixels, _ = episode.camera("front", time).project(places)
        np.testing.assert_allclose(episode.keypoints["front"][time], pixels, atol=0.01)


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
@pytest.mark.parametrize("way", ["pad", "squeeze", "episodes", "robomimic", "lerobot"])
def test_keypoints_are_where_the_stored_camera_shows_them(tmp_path, lens, way):
    root = write(tmp_path / "a", lens, fit="squeeze" if way == "squeeze" else "pad", size=96)
    stored = EpisodeDataset(root)
    assert stored.lens(0, "front") == lens
    if way in ("pad", "squeeze"):
        require_agreement(stored.episode(0))
        return
    if way == "lerobot":
        pytest.importorskip("pyarrow")
    out = tmp_path / ("b.hdf5" if way == "robomimic" else "b")
    convert(ConvertConfig(root, out, way, size=80))
    back = open_source(out).sound_episode(1)
    assert back.lens("front").name == lens.name
    np.testing.assert_allclose(back.lens("front").coefficients, lens.coefficients, atol=1e-7)
    require_agreement(back)


def test_files_of_cameras_without_distortion_are_as_they_were(tmp_path):
    frames = {"front": np.zeros((STEPS, HEIGHT, HEIGHT, 3), np.uint8)}
    cameras = {
        "two": (MATRIX, poses()[0]),
        "zeros": (MATRIX, poses()[0], Lens("plumb_bob", (0.0,) * 5)),
        "camera": Camera(MATRIX, poses()[0], HEIGHT, HEIGHT),
    }
    for name, camera in cameras.items():
        datasets.write_episode(tmp_path / name, frames, cameras={"front": camera})
    first, *others = (next((tmp_path / name / "episodes").iterdir()) for name in cameras)
    assert all(other.read_bytes() == first.read_bytes() for other in others)
    with h5py.File(first) as file:
        assert set(file["cameras/front"]) == {"intrinsics", "world_to_camera"}


def test_what_is_no_lens_is_refused_before_writing(tmp_path):
    frames = {"front": np.zeros((STEPS, HEIGHT, HEIGHT, 3), np.uint8)}
    with pytest.raises(FormatError, match=r"cameras of front .*datasets\.lens\.Lens"):
        datasets.write_episode(
            tmp_path / "a", frames, cameras={"front": (MATRIX, poses()[0], [-0.3, 0, 0, 0])}
        )
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda d: d.attrs.__setitem__("lens", "plum_bob"), "plumb_bob"),
        (lambda d: d.attrs.__delitem__("lens"), "plumb_bob, fisheye"),
        (lambda d: d.__setitem__(0, np.nan), "finite"),
    ],
)
def test_a_stored_lens_that_cannot_be_is_named(tmp_path, spoil, complaint):
    root = write(tmp_path / "a", LENSES["short"])
    data = EpisodeDataset(root)
    with h5py.File(data.paths[0], "r+") as file:
        spoil(file["cameras/front/distortion"])
    where = rf"000000\.hdf5: cameras/front/distortion.*{complaint}"
    for read in (
        lambda: data.episode(0),
        lambda: data.lens(0, "front"),
        lambda: data.check(need_cameras=True),
    ):
        with pytest.raises(DataError, match=where):
            read()


def test_info_shows_the_lens(tmp_path, capsys):
    info([str(write(tmp_path / "a", LENSES["short"]))])
    assert "lenses    front plumb_bob -0.3 0.08 0.001 -0.002\n" in capsys.readouterr().out


def test_rerun_says_that_its_cameras_have_no_lens(tmp_path, caplog):
    pytest.importorskip("rerun")
    root = write(tmp_path / "a", LENSES["short"])
    with caplog.at_level(logging.WARNING):
        convert(ConvertConfig(root, tmp_path / "out", "rerun"))
    assert caplog.text.count("Rerun's cameras have no lens") == 1
