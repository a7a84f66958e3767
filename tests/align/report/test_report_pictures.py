"""The report's figures and video show what the embeddings pick."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from align.report.figures import distance_matrices, learning_curves, pair_errors, view_pair_heat_map
from PIL import Image
from sklearn.metrics import pairwise_distances

from align.metrics.alignment import alignment_error
from align.metrics.decoding import with_motion
from align.report.embedding_map import draw_maps, embedding_map
from align.report.episode import load_example, typical_runs
from align.report.style import method_colours, to_svg
from align.report.video import contact_strip, encode_video, video_layout
from align.results.runs import load_runs
from datasets.episodes import EpisodeDataset
from tests.align.hand_made_runs import PICKS, STEPS, decode


def test_distance_matrix_shows_the_nearest_frames_and_their_error(
    runs: list[Path], data: Path
) -> None:
    loaded = load_runs(runs)
    example = load_example(loaded, EpisodeDataset(data, "test"))
    assert (example.query, example.target) == ("view_0", "ego")
    colours = method_colours([run.label for run in loaded])
    panels = [axes for axes in distance_matrices(example, colours).axes if axes.get_title("left")]
    assert len(panels) == 3
    for axes, label in zip(panels, example.distances, strict=True):
        picks = PICKS.get(label, PICKS["deit"])
        (path,) = [line for line in axes.lines if line.get_gid() == "path"]
        assert path.get_ydata().tolist() == picks
        assert path.get_xdata().tolist() == list(range(STEPS))
        assert path.get_color() == colours[label]
        # Drawn with the query across and the target upwards, as the path is.
        np.testing.assert_array_equal(axes.images[0].get_array().argmin(axis=0), picks)
        expected = np.abs(np.array(picks) - np.arange(STEPS)).mean() / STEPS
        assert axes.get_title("left") == f"{label}: error {expected:.3f}"
        embeddings = example.runs[label].evaluation.embeddings()[example.episode]
        assert example.error(label) == pytest.approx(
            alignment_error(embeddings["view_0"], embeddings["ego"])
        )


def test_in_motion_frames_are_picked_by_embeddings_in_motion(runs: list[Path], data: Path) -> None:
    example = load_example(load_runs(runs), EpisodeDataset(data, "test"))
    moving = example.in_motion()
    for label, run in moving.runs.items():
        views = run.evaluation.embeddings()[example.episode]
        expected = alignment_error(with_motion(views["view_0"]), with_motion(views["ego"]))
        assert moving.error(label) == pytest.approx(expected)
    assert (moving.picks("deit") != example.picks("deit")).any()


def test_typical_run_is_the_median_of_the_seeds(runs: list[Path]) -> None:
    chosen = {label: run.config.seed for label, run in typical_runs(load_runs(runs[::-1])).items()}
    assert chosen == {"deit": 1, "paab": 1, "paat": 0}


def test_learning_curves_draw_every_run_and_their_mean(runs: list[Path]) -> None:
    loaded = load_runs(runs)
    loss, error = learning_curves(loaded, method_colours([r.label for r in loaded])).axes
    # Three seeds and their mean for two methods, one run alone for the third.
    assert len(loss.lines) == 4 + 4 + 1
    np.testing.assert_allclose(loss.lines[3].get_ydata(), [1, 1 / 2, 1 / 3, 1 / 4])
    assert error.lines[0].get_xdata().tolist() == [2, 4]


def test_heat_map_has_the_mean_of_each_pair(runs: list[Path]) -> None:
    errors = pair_errors(load_runs(runs))
    figure = view_pair_heat_map(errors)
    panels = [axes for axes in figure.axes if axes.get_title("left")]
    assert [axes.get_title("left").split(":")[0] for axes in panels] == ["deit", "paab", "paat"]
    limits = {axes.images[0].get_clim() for axes in panels}
    assert len(limits) == 1
    for axes, values in zip(panels, errors.values(), strict=True):
        table = np.ma.filled(axes.images[0].get_array().astype(float), np.nan)
        assert table[0, 0] == values["ego", "view_0"]
        assert table[0, 1] == values["ego", "view_1"] == 0
        assert np.isnan(table[1, 0])
        assert table[1, 1] == values["view_0", "view_1"]
    assert to_svg(figure) == to_svg(view_pair_heat_map(errors))


def test_embedding_map_keeps_time_and_view_of_every_frame() -> None:
    # Two views on lines of their own in space: a plane, so that two components hold everything.
    clock = torch.arange(STEPS, dtype=torch.float32)[:, None]
    direction, offset = torch.tensor([[2.0, 0, 0, 1]]), torch.tensor([[0, 3.0, 0, 0]])
    episode = {"ego": clock @ direction, "view_0": clock @ direction + offset}
    one = embedding_map({"demo_0": episode, "demo_1": episode, "demo_2": episode}, episodes=2)
    assert one.explained == pytest.approx(1)
    assert one.points.shape == (4 * STEPS, 2)
    assert one.view.tolist() == ([0] * STEPS + [1] * STEPS) * 2
    np.testing.assert_allclose(one.time[:STEPS], np.linspace(0, 1, STEPS))
    frames = torch.cat([*episode.values()] * 2)
    # A projection without loss keeps every distance.
    np.testing.assert_allclose(
        pairwise_distances(one.points), pairwise_distances(frames.numpy()), atol=1e-4
    )
    figure = draw_maps({"deit": one, "paab": one})
    panels = [axes for axes in figure.axes if axes.collections and axes.get_label() != "<colorbar>"]
    assert len(panels) == 4
    for axes in panels:
        np.testing.assert_allclose(axes.collections[0].get_offsets(), one.points)
    assert [axes.get_title("left") for axes in panels[:2]] == [
        "deit: 100 % of the variance",
        "paab: 100 % of the variance",
    ]
    assert to_svg(figure).count("<image") >= 4


def test_video_shows_the_picked_frames(runs: list[Path], data: Path) -> None:
    loaded = load_runs(runs)
    dataset = EpisodeDataset(data, "test")
    example = load_example(loaded, dataset)
    video = encode_video(example, method_colours([run.label for run in loaded]))
    frames, stream = decode(video)
    assert stream.codec_context.name == "h264"
    assert stream.codec_context.pix_fmt == "yuv420p"
    assert stream.average_rate == dataset.meta.control_hz / 2
    assert stream.width % 2 == stream.height % 2 == 0
    # Plays before all of it is there: the index comes ahead of the pictures.
    assert video.index(b"moov") < video.index(b"mdat")
    assert len(frames) == STEPS

    layout = video_layout(example)
    ego = enlarged(dataset.images(0, "ego"))
    third = enlarged(dataset.images(0, "view_0"))
    for time, frame in enumerate(frames):
        assert nearest(third, layout.crop(frame, 0)) == time
        assert nearest(ego, layout.crop(frame, 1)) == time
        for tile, picks in enumerate([PICKS["deit"], PICKS["paab"], PICKS["deit"]], start=2):
            assert nearest(ego, layout.crop(frame, tile)) == picks[time]


def enlarged(frames: np.ndarray) -> np.ndarray:
    side = (224, 224)
    pictures = [Image.fromarray(f).resize(side, Image.Resampling.LANCZOS) for f in frames]
    return np.stack([np.asarray(picture, np.float32) for picture in pictures])


def nearest(candidates: np.ndarray, picture: np.ndarray) -> int:
    differences = np.abs(candidates - picture.astype(np.float32)).mean(axis=(1, 2, 3))
    assert differences.min() < 4
    return int(differences.argmin())


def test_skeleton_is_drawn_on_request(runs: list[Path], data: Path) -> None:
    loaded, dataset = load_runs(runs), EpisodeDataset(data, "test")
    colours = method_colours([run.label for run in loaded])
    plain = load_example(loaded, dataset)
    drawn = load_example(loaded, dataset, view="view_1", skeleton=True)
    assert drawn.query == "view_1"
    np.testing.assert_array_equal(plain.frames["ego"], dataset.images(0, "ego"))
    assert len(np.unique(drawn.frames["ego"].reshape(-1, 3), axis=0)) > len(
        np.unique(plain.frames["ego"].reshape(-1, 3), axis=0)
    )
    assert contact_strip(drawn, colours) != contact_strip(plain, colours)
