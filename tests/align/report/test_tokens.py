"""The panels of Figures 7 and 10, and attention over frames, show the stored analyses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from PIL import Image

from align.report.attention import draw_attention
from align.report.style import method_colours
from align.report.tokens import analysis_figure, analysis_panels, draw_analyses
from align.results.analysis import AttentionMaps, FeatureAnalysis, bin_names
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError
from tests.align.report.test_report_pictures import data_of, labels_of, legend_of

KEYPOINTS = ("hand", "foot")
SHARES = [[0.1, 0.2, 0.3, 0.4, 0.0], [0.5, 0.5, 0, 0, 0], [0, 0, 0, 0.5, 0.5], [0, 1, 0, 0, 0]]
RESULTS = {
    "deit": FeatureAnalysis(
        [1.0, 2, 3, 4], [[0.1, 0.2]] * 3 + [[0.3, 0.4]], SHARES, [5.0, 6, 7, 8]
    ),
    "paat": FeatureAnalysis(
        [4.0, 3, 2, 1], [[0.9, 0.8]] * 3 + [[0.7, 0.6]], SHARES[::-1], [0.0] * 4
    ),
}


def heights(axes: Axes) -> list[float]:
    return [bar.get_height() for bar in axes.patches]


def test_panels_show_each_distance_under_its_title() -> None:
    figure = analysis_panels(RESULTS, KEYPOINTS)
    pose, ffn, separate, attention = figure.axes
    colours = method_colours(list(RESULTS))
    layers = [1, 2, 3, 4]
    for axes, name, title in (
        (pose, "pose_distance", "pose tokens and other patches"),
        (ffn, "ffn_distance", "before and after the FFN"),
    ):
        assert title in axes.get_title("left")
        assert labels_of(axes) == ("layer", "distance (1 − cosine)")
        for line, (label, result) in zip(axes.lines, RESULTS.items(), strict=True):
            assert data_of(line) == (layers, getattr(result, name))
            assert line.get_color() == colours[label]
    assert "keypoints, last layer" in separate.get_title("left")
    assert heights(separate) == [0.3, 0.4, 0.7, 0.6]
    assert [tick.get_text() for tick in separate.get_xticklabels()] == list(KEYPOINTS)
    # Two bars of different methods stand side by side around the keypoint's tick.
    left, right = separate.patches[0], separate.patches[2]
    assert right.get_x() == pytest.approx(left.get_x() + left.get_width())
    assert separate.get_xticks()[0] == pytest.approx(right.get_x())
    assert "attention" in attention.get_title("left")
    assert legend_of(figure) == {name: to_hex(colour) for name, colour in colours.items()}


def test_attention_bars_are_those_of_the_first_middle_and_last_layer() -> None:
    axes = analysis_panels(RESULTS, KEYPOINTS).axes[3]
    colours = method_colours(list(RESULTS))
    expected = [
        100 * share
        for shares in (SHARES, SHARES[::-1])
        for layer in (0, 2, 3)
        for share in shares[layer]
    ]
    assert heights(axes) == pytest.approx(expected)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list(bin_names())
    groups = [axes.patches[i : i + 5] for i in range(0, 30, 5)]
    assert [group[0].get_alpha() for group in groups] == [0.4, 0.7, 1.0] * 2
    names = ["deit"] * 3 + ["paat"] * 3
    for group, name in zip(groups, names, strict=True):
        assert {to_hex(bar.get_facecolor()) for bar in group} == {to_hex(colours[name])}
    places = [group[0].get_x() for group in groups]
    assert places == sorted(places) and len(set(places)) == 6


def test_a_single_layer_is_drawn_once() -> None:
    one = FeatureAnalysis([0.5], [[0.1, 0.2]], SHARES[:1], [0.6])
    figure = analysis_panels({"deit": one}, KEYPOINTS)
    assert heights(figure.axes[3]) == pytest.approx([100 * share for share in SHARES[0]])
    assert {bar.get_alpha() for bar in figure.axes[3].patches} == {1.0}
    assert data_of(figure.axes[0].lines[0]) == ([1], [0.5])


@pytest.mark.slow
def test_runs_are_labelled_with_methods_where_these_differ(tmp_path: Path) -> None:
    results = {Path("a"): (RESULTS["deit"], KEYPOINTS), Path("b"): (RESULTS["paat"], KEYPOINTS)}
    named = analysis_figure(results, {Path("a"): "deit", Path("b"): "paab"})
    assert list(legend_of(named)) == ["deit", "paab"]
    same = analysis_figure(results, {Path("a"): "deit", Path("b"): "deit"})
    assert list(legend_of(same)) == ["a", "b"]
    assert data_of(same.axes[0].lines[1])[1] == RESULTS["paat"].pose_distance
    draw_analyses(results, {Path("a"): "deit", Path("b"): "paab"}, tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").format == "PNG"


def test_runs_of_different_skeletons_are_not_drawn_together() -> None:
    result = FeatureAnalysis([0.1], [[0.2]], [[1.0, 0, 0, 0, 0]], [0.1])
    results = {Path("a"): (result, ("hand",)), Path("b"): (result, ("foot",))}
    with pytest.raises(MismatchError):
        analysis_figure(results, {Path("a"): "deit", Path("b"): "paab"})


def test_attention_lies_over_its_frames_by_weight(data: Path) -> None:
    dataset = EpisodeDataset(data, "test")
    times = [2, 9]
    maps = {
        "deit": {
            "ego": [[[0.0, 4.0], [1.0, 2.0]], [[0.0] * 2] * 2],
            "view_0": [[[1.0] * 2] * 2] * 2,
        },
        "paab": {"ego": [[[3.0] * 2] * 2] * 2, "view_0": [[[0.5] * 2] * 2] * 2},
    }
    name = dataset.names[0]
    stored = {label: AttentionMaps(name, times, views) for label, views in maps.items()}
    figure = draw_attention(stored, dataset)
    *rows, bar = figure.axes
    names = ["ego", "deit", "paab", "view_0", "deit", "paab"]
    assert [row.get_ylabel() for row in rows] == names
    assert [tick.get_text() for tick in rows[0].get_xticklabels()] == ["t = 2", "t = 9"]
    view = "ego"
    every = [np.ravel(weights) for views in maps.values() for weights in views.values()]
    strongest = np.percentile(np.concatenate(every), 99)
    for row, label in zip(rows, names, strict=True):
        view = label if label in dataset.views else view
        frames = np.concatenate(list(dataset.images(0, view, np.array(times))), axis=1)
        np.testing.assert_array_equal(row.images[0].get_array(), frames)
        overlays = [image for image in row.images if image.get_gid() == "attention"]
        assert len(overlays) == (label in maps)
        for overlay in overlays:
            weights = np.concatenate(list(map(np.array, maps[label][view])), axis=1)
            opacity = np.asarray(overlay.get_array())[..., 3]
            np.testing.assert_allclose(opacity, 0.75 * np.clip(weights / strongest, 0, 1))
            left, right, bottom, top = overlay.get_extent()
            assert (right - left, bottom - top) == frames.shape[1::-1]
    assert bar.get_ylabel() == "attention (1: equal shares)"
    assert bar.get_ylim() == pytest.approx((0, strongest))
