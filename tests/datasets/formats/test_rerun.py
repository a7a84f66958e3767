"""Rerun recordings, read back with rerun itself.

Rerun asks for numpy 2 and robosuite for less, so this is skipped in an environment for simulation;
in another, with `pip install 'posealign[rerun]' pytest hypothesis`, run this file alone.
"""

import io
import sys
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset
from datasets.errors import MissingLibraryError
from tests.datasets.synthetic import make_data_set


def test_without_rerun_the_error_says_how_to_install_it(dots, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(MissingLibraryError, match=r"posealign\[rerun\]"):
        convert(ConvertConfig(dots, tmp_path / "out", "rerun"))
    assert not list(tmp_path.iterdir())


def read_back(path):
    """Entity and component to its values over time."""
    reader = pytest.importorskip("rerun.chunk").RrdReader(str(path))
    rows = defaultdict(dict)
    for chunk in reader.stream():
        batch = chunk.to_record_batch()
        names = batch.schema.names
        steps = batch["step"].to_pylist() if "step" in names else [None] * chunk.num_rows
        for name in (name for name in names if ":" in name):
            values = batch[name].to_pylist()
            rows[str(chunk.entity_path), name] |= dict(zip(steps, values, strict=True))
    return {
        key: [found[step] for step in sorted(found, key=lambda step: step or 0)]
        for key, found in rows.items()
    }


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    pytest.importorskip("rerun")
    root = tmp_path_factory.mktemp("rerun")
    make_data_set(root / "dots", episodes=3, views=1, steps=6)
    convert(ConvertConfig(root / "dots", root / "out", "rerun"))
    assert sorted(path.name for path in (root / "out").iterdir()) == [
        f"{i:06d}.rrd" for i in range(3)
    ]
    return EpisodeDataset(root / "dots").episode(1), read_back(root / "out/000001.rrd")


def test_every_frame_is_there(recorded):
    episode, rows = recorded
    for view, frames in episode.images.items():
        blobs = rows[f"/world/cameras/{view}/picture", "EncodedImage:blob"]
        for (blob,), frame in zip(blobs, frames, strict=True):
            picture = np.asarray(Image.open(io.BytesIO(bytes(blob))), float)
            assert np.abs(picture - frame).mean() < 4


def test_cameras_project_the_skeleton_onto_the_keypoints(recorded):
    episode, rows = recorded
    skeleton = rows["/world/skeleton/keypoints", "Points3D:positions"]
    assert len(skeleton) == len(episode)
    for view in episode.images:
        camera = f"/world/cameras/{view}"
        # Rerun stores matrices column by column.
        intrinsics = np.reshape(rows[camera, "Pinhole:image_from_camera"][0], (3, 3)).T
        rotations = rows[camera, "Transform3D:mat3x3"]
        centres = rows[camera, "Transform3D:translation"]
        assert len(rotations) == (len(episode) if view == "ego" else 1)
        for step, points in enumerate(skeleton):
            pose = min(step, len(rotations) - 1)
            rotation = np.reshape(rotations[pose], (3, 3)).T
            seen = (np.array(points) - centres[pose]) @ rotation @ intrinsics.T
            pixels = (seen / seen[:, 2:])[:, :2]
            known = np.isfinite(episode.keypoints[view][step]).all(axis=1)
            drawn = np.array(rows[f"{camera}/keypoints", "Points2D:positions"][step])
            np.testing.assert_allclose(pixels[known], drawn, atol=0.01)
            np.testing.assert_allclose(drawn, episode.keypoints[view][step][known], atol=1e-4)


def test_hidden_keypoints_are_faint(recorded):
    episode, rows = recorded
    for view in episode.images:
        for step in range(len(episode)):
            known = np.isfinite(episode.keypoints[view][step]).all(axis=1)
            colours = rows[f"/world/cameras/{view}/keypoints", "Points2D:colors"][step]
            opaque = (np.array(colours) & 0xFF) == 255
            np.testing.assert_array_equal(opaque, episode.visible[view][step][known])


def test_phases_are_logged_when_they_begin(recorded):
    episode, rows = recorded
    found = [text for (text,) in rows["/phase", "TextLog:text"]]
    assert found == [["reach", "grasp", "lift"][p] for p in dict.fromkeys(episode.phases.tolist())]


def test_frames_alone_can_be_recorded(tmp_path):
    pytest.importorskip("rerun")
    make_data_set(tmp_path / "dots", episodes=1, views=1, steps=3, splits={"train": [0]})
    convert(ConvertConfig(tmp_path / "dots", tmp_path / "frames", "ftpv"))
    convert(ConvertConfig(tmp_path / "frames", tmp_path / "out", "rerun"))
    rows = read_back(tmp_path / "out/000000.rrd")
    assert len(rows["/views/ego/picture", "EncodedImage:blob"]) == 3
    assert not any("keypoints" in entity for entity, _ in rows)
