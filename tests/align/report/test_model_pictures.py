"""Pictures of reconstructions, pseudo-depth and cameras, and runs that need no keypoints."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from align.embedder import FrameEmbedder
from align.evaluate import evaluate
from align.inputs.augment import frames_to_tensor
from align.methods import Method
from align.models.disentangle import Disentangler
from align.models.trl3d import Geometry, rotation_matrix
from align.report.model_pictures import (
    Picture,
    camera_poses,
    draw_cameras,
    draw_depth,
    method_pictures,
)
from align.report.page import write_report
from align.train import make_trainer
from datasets.episodes import EpisodeDataset
from tests.align.conftest import tiny_config
from tests.datasets.synthetic import make_data_set


def trained(dots: Path, out: Path, method: Method, **changes: object) -> Path:
    config = tiny_config(dots, out, method, epochs=1, train_episodes=2, **changes)
    make_trainer(config, progress=False).fit()
    return out


@pytest.mark.slow
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
            view: embedder.model(frames_to_tensor(data.images(0, view, [0]))).network
            for view in ("view_0", "ego")
        }
        swapped = {
            "view_0, decoded": network.decode(codes["view_0"].embedding, codes["view_0"].viewpoint),
            "state of ego": network.decode(codes["ego"].embedding, codes["view_0"].viewpoint),
            "viewpoint of ego": network.decode(codes["view_0"].embedding, codes["ego"].viewpoint),
        }
    shown = {axes.get_ylabel(): axes.images[0].get_array() for axes in picture.figure.axes[::3]}
    assert list(shown) == ["view_0", *swapped, "ego"]
    for row, image in swapped.items():
        np.testing.assert_allclose(shown[row], image[0].permute(1, 2, 0).numpy(), atol=1e-5)


@pytest.mark.slow
def test_a_run_that_learned_from_another_size_has_its_pictures(dots: Path, tmp_path: Path) -> None:
    large = make_data_set(tmp_path / "large", episodes=5, size=64)
    run = trained(dots, tmp_path / "run", "3dtrl", train_on=large)
    evaluate(run, "test", progress=False)
    assert "pseudo-depth" in write_report([run]).read_text()


def frames_of(*brightness: int) -> torch.Tensor:
    return torch.stack([torch.full((3, 8, 8), value, dtype=torch.uint8) for value in brightness])


def geometry_of(depth: list[list[float]], places: list[list[float]]) -> Geometry:
    rotation = torch.eye(3).expand(len(places), 3, 3)
    return Geometry(torch.tensor(depth)[:, None], rotation, torch.tensor(places), rotation)


GEOMETRIES = {
    "view_0": geometry_of([[0.0, 1, 2, 3], [3, 2, 1, 0]], [[1.0, 2, 3], [1, 2, 4]]),
    "ego": geometry_of([[5.0, 5, 5, 5], [4, 4, 4, 4]], [[7.0, 8, 9], [7, 8, 9]]),
}


def test_depth_is_below_its_frames_on_one_scale() -> None:
    frames = {"view_0": frames_of(10, 20), "ego": frames_of(30, 40)}
    figure = draw_depth(frames, GEOMETRIES).figure
    *cells, bar = figure.axes
    rows = np.array(cells).reshape(4, 2)
    assert [row[0].get_ylabel() for row in rows] == [
        "view_0",
        "pseudo-depth",
        "ego",
        "pseudo-depth",
    ]
    for row, brightness in ((0, (10, 20)), (2, (30, 40))):
        for cell, value in zip(rows[row], brightness, strict=True):
            assert (cell.images[0].get_array() == value).all()
    shown = [[cell.images[0].get_array().tolist() for cell in rows[row]] for row in (1, 3)]
    assert shown == [[[[0, 1], [2, 3]], [[3, 2], [1, 0]]], [[[5, 5], [5, 5]], [[4, 4], [4, 4]]]]
    assert {cell.images[0].get_clim() for row in (1, 3) for cell in rows[row]} == {(0, 5)}
    assert "pseudo-depth" in bar.get_ylabel()


@pytest.mark.slow
def test_names_of_rows_are_inside_the_picture_of_depth() -> None:
    frames = {view: torch.rand(6, 3, 48, 48) for view in GEOMETRIES}
    geometry = geometry_of([[0.1] * 9] * 6, [[0.0] * 3] * 6)
    figure = draw_depth(frames, dict.fromkeys(GEOMETRIES, geometry)).figure
    figure.draw_without_rendering()
    names = [axes.yaxis.label for axes in figure.axes if axes.get_ylabel()]
    assert len(names) == 5
    assert all(
        n.get_window_extent().x0 >= 0 and n.get_window_extent().x1 <= figure.bbox.x1 for n in names
    )


def test_cameras_are_drawn_from_above_and_from_the_side() -> None:
    above, side = draw_cameras(GEOMETRIES).figure.axes
    assert (above.get_title(), above.get_xlabel(), above.get_ylabel()) == ("from above", "x", "z")
    assert (side.get_title(), side.get_xlabel(), side.get_ylabel()) == ("from the side", "z", "y")
    assert side.yaxis_inverted() and not above.yaxis_inverted()
    dots, arrows = above.collections[::2], above.collections[1::2]
    assert dots[0].get_offsets().tolist() == [[1, 3], [1, 4]]
    assert dots[1].get_offsets().tolist() == [[7, 9], [7, 9]]
    assert side.collections[0].get_offsets().tolist() == [[3, 2], [4, 2]]
    # Identical rotations look along z, which points up from above.
    assert (arrows[0].U.tolist(), arrows[0].V.tolist()) == ([0, 0], [1, 1])
    assert [text.get_text() for text in above.get_legend().get_texts()] == ["view_0", "ego"]
    shades = [tuple(part.get_facecolor()[0][:3]) for part in (dots[0], arrows[0], dots[1])]
    assert shades[0] == shades[1] != shades[2]


@pytest.mark.slow
def test_a_report_shows_them(dots: Path, tmp_path: Path) -> None:
    run = trained(dots, tmp_path / "run", "3dtrl")
    evaluate(run, "test", progress=False)
    page = write_report([run]).read_text()
    assert "Other outputs of the models" in page and "pseudo-depth" in page and "from above" in page


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
