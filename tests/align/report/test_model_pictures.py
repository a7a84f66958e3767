"""Pictures of reconstructions, pseudo-depth and cameras, and runs that need no keypoints."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from align.augment import frames_to_tensor
from align.embedder import FrameEmbedder
from align.evaluate import evaluate
from align.methods import Method
from align.models.disentangle import Disentangler
from align.models.trl3d import Geometry, rotation_matrix
from align.report.model_pictures import Picture, camera_poses, method_pictures
from align.report.page import write_report
from align.train import make_trainer
from datasets.episodes import EpisodeDataset
from tests.align.conftest import tiny_config
from tests.datasets.synthetic import make_data_set


def trained(dots: Path, out: Path, method: Method, **changes: object) -> Path:
    config = tiny_config(dots, out, method, epochs=1, train_episodes=2, **changes)
    make_trainer(config, progress=False).fit()
    return out


@pytest.mark.parametrize(("method", "cells"), [("disentangle", [5 * 3]), ("3dtrl+paab", [12, 2])])
def test_a_run_has_pictures_of_its_own(
    dots: Path, tmp_path: Path, method: Method, cells: list[int]
) -> None:
    run = trained(dots, tmp_path / "run", method)
    data = EpisodeDataset(dots, "test")
    pictures = method_pictures(run, data, 0, ("view_0", "ego"), moments=3)
    # The colour bar of the depth is one more.
    drawn = [sum(bool(a.get_label() != "<colorbar>") for a in p.figure.axes) for p in pictures]
    assert drawn == cells
    first = pictures[0].figure.axes[0].images[0].get_array()
    frame = data.images(0, "view_0", [0])[0]
    if method == "disentangle":
        means = frame.reshape(16, 3, 16, 3, 3).mean(axis=(1, 3)) / 255
        np.testing.assert_allclose(first, means, atol=1e-5)
        check_swaps(run, data, pictures[0])
    else:
        np.testing.assert_array_equal(first, frame)
    for picture in pictures:
        picture.figure.savefig(tmp_path / "picture.png")


def check_swaps(run: Path, data: EpisodeDataset, picture: Picture) -> None:
    """Holds the rows of reconstructions at the first moment to what the decoder makes."""
    embedder = FrameEmbedder.load(run)
    network = embedder.model.backbone
    assert isinstance(network, Disentangler)
    with torch.no_grad():
        codes = {
            view: embedder.model(frames_to_tensor(data.images(0, view, [0])))[1]
            for view in ("view_0", "ego")
        }
        swapped = {
            "decoded": network.decode(codes["view_0"].embedding, codes["view_0"].viewpoint),
            "state of ego": network.decode(codes["ego"].embedding, codes["view_0"].viewpoint),
            "viewpoint of ego": network.decode(codes["view_0"].embedding, codes["ego"].viewpoint),
        }
    shown = {axes.get_ylabel(): axes.images[0].get_array() for axes in picture.figure.axes[::3]}
    for row, image in swapped.items():
        np.testing.assert_allclose(shown[row], image[0].permute(1, 2, 0).numpy(), atol=1e-5)


@pytest.mark.slow
def test_a_run_that_learned_from_another_size_has_its_pictures(dots: Path, tmp_path: Path) -> None:
    large = make_data_set(tmp_path / "large", episodes=5, size=64)
    run = trained(dots, tmp_path / "run", "3dtrl", train_on=large)
    evaluate(run, "test", progress=False)
    assert "pseudo-depth" in write_report([run]).read_text()


@pytest.mark.slow
def test_a_report_shows_them(dots: Path, tmp_path: Path) -> None:
    run = trained(dots, tmp_path / "run", "3dtrl")
    evaluate(run, "test", progress=False)
    page = write_report([run]).read_text()
    assert "What the models make of it" in page and "pseudo-depth" in page and "from above" in page


def test_other_methods_have_none_and_are_not_loaded(dots: Path, tmp_path: Path) -> None:
    tiny_config(dots, tmp_path, "paab").save(tmp_path)
    assert method_pictures(tmp_path, EpisodeDataset(dots, "test"), 0, ("view_0", "ego")) == []


def test_a_camera_stands_at_its_translation_and_looks_along_its_z_axis() -> None:
    rotation = rotation_matrix(torch.tensor([[0.0, torch.pi / 2, 0.0]]))
    geometry = Geometry(torch.ones(1, 1, 4), rotation, torch.tensor([[1.0, 2.0, 3.0]]), rotation)
    centre, ahead = camera_poses(geometry)
    assert centre.tolist() == [[1, 2, 3]]
    # The row (0, 0, 1) times Ry(90 degrees) = ((0, 0, 1), (0, 1, 0), (-1, 0, 0)).
    np.testing.assert_allclose(ahead, [[-1, 0, 0]], atol=1e-6)


@pytest.mark.slow
def test_a_pose_free_run_is_measured_without_keypoints(dots: Path, tmp_path: Path) -> None:
    run = trained(dots, tmp_path / "run", "paab-free")
    with_keypoints = evaluate(run, "test", progress=False)
    bare = tmp_path / "bare"
    shutil.copytree(dots, bare)
    for path in (bare / "episodes").glob("*.hdf5"):
        with h5py.File(path, "a") as file:
            observations = next(g["obs"] for g in (file, *file.values()) if "obs" in g)
            for name in [n for n in observations if n.endswith(("_keypoints", "_visible"))]:
                del observations[name]
    without = evaluate(run, "test", progress=False, data=bare)
    assert without.metrics == with_keypoints.metrics
