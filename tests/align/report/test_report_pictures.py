"""The report's figures show the numbers of the runs, under the right names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex, to_rgba
from matplotlib.lines import Line2D
from sklearn.metrics import pairwise_distances

from align.metrics.alignment import alignment_error
from align.metrics.decoding import with_motion
from align.metrics.phases import PhaseResult
from align.report.curves import draw_curves, learning_curves
from align.report.distance_matrices import distance_matrices
from align.report.embedding_map import draw_maps, embedding_map
from align.report.episode import load_example, typical_runs
from align.report.style import method_colours, phase_colours, to_svg
from align.report.view_pairs import pair_errors, phase_heat_map, view_pair_heat_map
from align.results.runs import Run, load_runs
from datasets.episodes import EpisodeDataset
from tests.align.hand_made_runs import PICKS, STEPS


def colours_of(runs: Sequence[Run]) -> dict[str, str]:
    return method_colours([run.label for run in runs])


def data_of(line: Line2D) -> tuple[list[float], list[float]]:
    return np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist()


def labels_of(axes: Axes) -> tuple[str, str]:
    return axes.get_xlabel(), axes.get_ylabel()


def legend_of(figure) -> dict[str, str]:
    """Label to colour of the figure's legend."""
    (legend,) = figure.legends
    return {
        text.get_text(): to_hex(handle.get_color())
        for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
        if isinstance(handle, Line2D)
    }


@pytest.mark.slow
def test_distance_matrix_shows_the_nearest_frames_and_their_error(
    runs: list[Path], data: Path
) -> None:
    loaded = load_runs(runs)
    example = load_example(loaded, EpisodeDataset(data, "test"))
    assert (example.query, example.target) == ("view_0", "ego")
    colours = colours_of(loaded)
    figure = distance_matrices(example, colours)
    panels = [axes for axes in figure.axes if axes.get_title("left")]
    assert len(panels) == 3
    for i, (axes, label) in enumerate(zip(panels, example.matches, strict=True)):
        picks = PICKS.get(label, PICKS["deit"])
        lines = {line.get_gid(): line for line in axes.lines}
        times = list(range(STEPS))
        assert data_of(lines["path"]) == (times, picks)
        assert data_of(lines["diagonal"]) == (times, times)
        assert lines["path"].get_color() == colours[label]
        # Drawn with the query across and the target upwards, as the path is.
        np.testing.assert_array_equal(axes.images[0].get_array().argmin(axis=0), picks)
        assert axes.images[0].origin == "lower"
        assert axes.images[0].get_cmap().name == "Greys"
        expected = np.abs(np.array(picks) - np.arange(STEPS)).mean() / STEPS
        assert axes.get_title("left") == f"{label}: error {expected:.3f}"
        assert labels_of(axes) == ("time step in view_0", "time step in ego" if i == 0 else "")
        embeddings = example.runs[label].evaluation.embeddings()[example.episode]
        assert example.matches[label].error == pytest.approx(
            alignment_error(embeddings["view_0"], embeddings["ego"])
        )


@pytest.mark.slow
def test_distance_matrix_has_the_phases_at_its_edges(runs: list[Path], data: Path) -> None:
    loaded = load_runs(runs)
    example = load_example(loaded, EpisodeDataset(data, "test"))
    figure = distance_matrices(example, colours_of(loaded))
    shades = phase_colours(len(example.phase_names))
    expected = [shades[phase] for phase in example.phases]
    across, up = figure.axes[0].child_axes
    assert [to_hex(c) for c in across.images[0].get_array()[0]] == expected
    assert [to_hex(c) for c in up.images[0].get_array()[:, 0]] == expected
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    used = [example.phase_names[p] for p in np.unique(example.phases)]
    assert names == ["the same moment", "picked frame", *used]
    for handle, name in zip(legend.legend_handles[2:], used, strict=True):
        assert to_hex(handle.get_facecolor()) == shades[example.phase_names.index(name)]


@pytest.mark.slow
def test_in_motion_frames_are_picked_by_embeddings_in_motion(runs: list[Path], data: Path) -> None:
    example = load_example(load_runs(runs), EpisodeDataset(data, "test"))
    moving = example.in_motion()
    for label, run in moving.runs.items():
        views = run.evaluation.embeddings()[example.episode]
        expected = alignment_error(with_motion(views["view_0"]), with_motion(views["ego"]))
        assert moving.matches[label].error == pytest.approx(expected)
    assert (moving.matches["deit"].picks != example.matches["deit"].picks).any()


@pytest.mark.slow
def test_typical_run_is_the_median_of_the_seeds(runs: list[Path]) -> None:
    chosen = {label: run.config.seed for label, run in typical_runs(load_runs(runs[::-1])).items()}
    assert chosen == {"deit": 1, "paab": 1, "paat": 0}


def trained(run: Run, losses: Sequence[float], errors: Sequence[float]) -> Run:
    """The run with this history, one epoch each."""
    history = [
        {"epoch": i, "train/time_contrastive": loss, "valid/alignment_error": error, "seconds": 60}
        for i, (loss, error) in enumerate(zip(losses, errors, strict=True), start=1)
    ]
    return replace(run, history=history)


@pytest.mark.slow
def test_learning_curves_draw_every_run_and_their_mean(runs: list[Path]) -> None:
    loaded = [run for run in load_runs(runs) if run.label != "paat"][:4]  # deit 0 1 2, paab 0
    values = [[3, 2, 1], [5, 4, 3], [4, 3, 2], [9, 8, 7]]
    errors = [[0.3, 0.1, 0.2], [0.2, 0.25, 0.15], [0.25, 0.2, 0.1], [0.05, 0.06, 0.07]]
    loaded = list(map(trained, loaded, values, errors))
    colours = colours_of(loaded)
    figure = learning_curves(loaded, colours)
    loss, error = figure.axes
    # Three seeds and their mean for deit, one run alone for paab.
    epochs = [1, 2, 3]
    assert [data_of(line) for line in loss.lines] == [
        (epochs, values[0]),
        (epochs, values[1]),
        (epochs, values[2]),
        (epochs, [4, 3, 2]),
        (epochs, values[3]),
    ]
    assert [line.get_color() for line in loss.lines] == [colours["deit"]] * 4 + [colours["paab"]]
    thick = [line.get_linewidth() > 2 for line in loss.lines]
    assert thick == [False, False, False, True, True]
    rings = [line for line in error.lines if line.get_gid() == "ring"]
    assert [data_of(ring) for ring in rings] == [([2], [0.1]), ([3], [0.15]), ([3], [0.1])] + [
        ([1], [0.05])
    ]
    assert [ring.get_markeredgecolor() for ring in rings] == [colours["deit"]] * 3 + [
        colours["paab"]
    ]
    (chance,) = [line for line in error.lines if line.get_gid() == "chance"]
    assert set(np.asarray(chance.get_ydata()).tolist()) == {1 / 3}
    assert labels_of(loss) == ("epoch", "loss") and labels_of(error) == ("epoch", "alignment error")
    assert "loss" in loss.get_title("left") and "alignment error" in error.get_title("left")
    assert legend_of(figure) == {name: to_hex(colour) for name, colour in colours.items()}


@pytest.mark.slow
def test_the_mean_ends_where_the_first_run_ends(runs: list[Path]) -> None:
    long, short = load_runs(runs)[:2]
    long, short = trained(long, [3, 2, 1], [0.3] * 3), trained(short, [5, 4], [0.3] * 2)
    loss = learning_curves([long, short], colours_of([long])).axes[0]
    assert data_of(loss.lines[-1]) == ([1, 2], [4, 3])


@pytest.mark.slow
def test_a_single_epoch_is_a_visible_point_and_no_value_is_said(runs: list[Path]) -> None:
    run = trained(load_runs(runs)[0], [3], [0.3])
    figure = learning_curves([run], colours_of([run]))
    loss, error = figure.axes
    assert data_of(loss.lines[0]) == ([1], [3]) and loss.lines[0].get_marker() == "o"
    figure.draw_without_rendering()
    ticks = [t for t in loss.get_xticks() if loss.get_xlim()[0] <= t <= loss.get_xlim()[1]]
    assert ticks == [1]
    assert error.lines[0].get_marker() == "o"
    draw_curves(loss, [run], "valid/unknown", {}, "nothing")
    bare = replace(run, history=[{"epoch": 1, "train/time_contrastive": 3, "seconds": 1}])
    texts = [text.get_text() for text in learning_curves([bare], colours_of([bare])).axes[1].texts]
    assert "no values" in texts


def heat_maps(figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_title("left")]


def names_on(axes: Axes) -> tuple[list[str], list[str]]:
    return tuple(
        [label.get_text() for label in labels]
        for labels in (axes.get_yticklabels(), axes.get_xticklabels())
    )


@pytest.mark.slow
def test_heat_map_has_the_mean_of_each_pair(runs: list[Path]) -> None:
    errors = pair_errors(load_runs(runs))
    figure = view_pair_heat_map(errors)
    panels = heat_maps(figure)
    means = {label: np.mean(list(values.values())) for label, values in errors.items()}
    assert [axes.get_title("left") for axes in panels] == [
        f"{label}: {mean:.3f}" for label, mean in means.items()
    ]
    highest = max(max(values.values()) for values in errors.values())
    assert {axes.images[0].get_clim() for axes in panels} == {(0, highest)}
    assert names_on(panels[0]) == (["ego", "view_0"], ["view_0", "view_1"])
    assert labels_of(panels[0]) == ("searched view", "query view")
    for axes, values in zip(panels, errors.values(), strict=True):
        table = np.ma.filled(axes.images[0].get_array().astype(float), np.nan)
        assert table[0, 0] == values["ego", "view_0"]
        assert table[0, 1] == values["ego", "view_1"] == 0
        assert np.isnan(table[1, 0])
        assert table[1, 1] == values["view_0", "view_1"]
        assert axes.images[0].get_cmap().name == "cividis"
        written = {text.get_position(): text.get_text() for text in axes.texts}
        assert written == {
            (column, row): f"{table[row, column]:.3f}" for row, column in ((0, 0), (0, 1), (1, 1))
        }
    assert to_svg(figure) == to_svg(view_pair_heat_map(errors))


@pytest.mark.slow
def test_numbers_of_the_scale_do_not_touch() -> None:
    pairs = {("ego", "view_0"): 0.015, ("ego", "view_1"): 0.011, ("view_0", "view_1"): 0.013}
    for labels in ("a", "abc"):
        figure = view_pair_heat_map(dict.fromkeys(labels, pairs))
        figure.draw_without_rendering()
        numbers = [label.get_window_extent() for label in figure.axes[-1].get_xticklabels()]
        shown = [box for box in numbers if box.width]
        assert len(shown) > 2
        assert all(left.x1 < right.x0 for left, right in pairwise(shown))


def test_numbers_stay_readable_on_dark_and_light_cells() -> None:
    values = {"deit": {("a", "b"): 0.1, ("a", "c"): 0.9}}
    for higher_is_better in (False, True):
        axes = heat_maps(view_pair_heat_map(values, higher_is_better=higher_is_better))[0]
        image = axes.images[0]
        for text, value in zip(axes.texts, (0.1, 0.9), strict=True):
            luminance = np.dot(image.cmap(image.norm(value))[:3], (0.3, 0.6, 0.1))
            assert text.get_color() == ("white" if luminance < 0.5 else "black")
            assert (luminance < 0.5) == ((value > 0.5) == higher_is_better)


@pytest.mark.slow
def test_phase_map_goes_from_the_learned_view_to_the_tested_one(runs: list[Path]) -> None:
    loaded = load_runs(runs)[:2]
    scores = {("ego", "ego"): 0.9, ("ego", "view_0"): 0.4, ("view_0", "ego"): 0.6}
    scores["view_0", "view_0"] = 0.8
    phases = [PhaseResult(*views, {"phase_f1": value}) for views, value in scores.items()]
    worse = [replace(p, metrics={"phase_f1": p.metrics["phase_f1"] - 0.2}) for p in phases]
    measured = [
        replace(run, evaluation=replace(run.evaluation, phases=found))
        for run, found in zip(loaded, (phases, worse), strict=True)
    ]
    assert phase_heat_map(loaded) is None
    figure = phase_heat_map(measured)
    assert figure is not None
    (axes,) = heat_maps(figure)
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.8, 0.3], [0.5, 0.7]])
    assert labels_of(axes) == ("tested in", "learned in")
    assert axes.images[0].get_cmap().name == "cividis_r"
    assert axes.get_title("left") == "deit: 0.575"


@pytest.mark.slow
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
    other = replace(one, points=one.points[::-1], explained=0.5)
    figure = draw_maps({"deit": one, "paab": other})
    panels = [axes for axes in figure.axes if axes.collections and axes.get_label() != "<colorbar>"]
    titles = [axes.get_title("left") for axes in panels]
    assert titles == [
        "deit: 100 % of variance",
        "paab: 50 % of variance",
        "deit: by view",
        "paab: by view",
    ]
    for axes, shown in zip(panels, (one, other, one, other), strict=True):
        np.testing.assert_allclose(dots(axes).get_offsets(), shown.points)
    np.testing.assert_allclose(dots(panels[0]).get_array(), one.time)
    legend = legend_of(figure)
    assert list(legend) == ["ego", "view_0"]
    expected = [to_rgba(legend[("ego", "view_0")[view]]) for view in one.view]
    np.testing.assert_allclose(dots(panels[2]).get_facecolors(), expected)
    assert to_svg(figure).count("<image") >= 4


def dots(axes: Axes) -> PathCollection:
    (collection,) = axes.collections
    assert isinstance(collection, PathCollection)
    return collection


def test_every_label_has_a_colour_of_its_own() -> None:
    names = ["paat", *(f"variant {i}" for i in range(30)), "deit"]
    colours = method_colours(names)
    assert list(colours) == names and len(set(colours.values())) == len(names)
    assert colours["paat"] == method_colours(["paat", "deit"])["paat"]
