"""The pictures of a grid and of a study: which mark stands where, and what is chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from align.comparing.studying import MEASURE
from align.report.overview import overview, write_overview
from align.report.study_figure import publish, study_figure
from align.report.style import method_colours
from align.results.studies import STUDIES
from align.results.study_tables import Measured, Point, StudyResult
from align.results.tables import ResultTable, measured_runs, result_tables
from tests.align.hand_made_runs import run_with_error
from tests.align.report.test_report_pictures import data_of, labels_of


@pytest.fixture(scope="module")
def table(data: Path, tmp_path_factory: pytest.TempPathFactory) -> ResultTable:
    out = tmp_path_factory.mktemp("grid")
    for method, errors in {"deit": (0.2, 0.3), "paab": (0.1, 0.2)}.items():
        for seed, error in enumerate(errors):
            run_with_error(out / "dots_seen" / f"{method}_seed{seed}", data, method, seed, error)
    (found,) = result_tables(measured_runs(out))
    return replace(found, world="lift")


def marks(axes: Axes, mark: str) -> list[tuple[list[float], list[float], str]]:
    """Places and colour of each line with this marker."""
    lines = [line for line in axes.lines if line.get_marker() == mark]
    return [(*data_of(line), line.get_markeredgecolor()) for line in lines]


def legend_texts(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.slow
def test_each_method_is_a_line_with_its_seeds_and_their_mean(table: ResultTable) -> None:
    colours = method_colours(["deit", "paab"])
    (axes,) = overview([table]).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["deit", "paab"]
    assert axes.get_yticks().tolist() == [0, 1] and axes.get_ylim() == (1.5, -0.5)
    assert axes.get_title("right") == "lift, seen views"
    assert labels_of(axes) == ("alignment error (lower is better)", "")
    assert marks(axes, ".") == [
        ([0.2, 0.3], [0, 0], colours["deit"]),
        ([0.1, 0.2], [1, 1], colours["paab"]),
    ]
    assert marks(axes, "o") == [
        ([pytest.approx(0.25)], [0], colours["deit"]),
        ([pytest.approx(0.15)], [1], colours["paab"]),
    ]


def test_the_legend_explains_the_marks_that_are_there(table: ResultTable) -> None:
    nearest, seed = "by the nearest frame, mean over seeds", "one seed"
    assert legend_texts(overview([table])) == [nearest, seed]
    paper = [replace(row, paper=0.25) if i else row for i, row in enumerate(table.rows)]
    with_paper = replace(table, rows=paper)
    moving = [
        replace(run, evaluation=replace(run.evaluation, metrics=run.evaluation.metrics | new))
        for run, error in zip(table.runs, (0.01, 0.03, 0.02, 0.06), strict=True)
        for new in [{"alignment_error_motion": error}]
    ]
    figure = overview([with_paper, replace(table, runs=moving)])
    left, right = figure.axes
    assert [(x, y) for x, y, _ in marks(left, "x")] == [([0.25], [1])]
    assert marks(right, "x") == [] and marks(left, "D") == []
    assert [(x, y) for x, y, _ in marks(right, "D")] == [
        ([pytest.approx(0.02)], [0]),
        ([pytest.approx(0.04)], [1]),
    ]
    assert legend_texts(figure) == [
        nearest,
        seed,
        "by the nearest frame in motion",
        "paper (Seeing the Pose in the Pixels, Table 5)",
    ]


def test_chance_is_drawn_where_errors_come_near_it(table: ResultTable) -> None:
    far = replace(
        table.rows[0], summary=replace(table.rows[0].summary, mean={"alignment_error": 0.4})
    )
    figure = overview([replace(table, rows=[far])])
    (chance,) = [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert set(data_of(chance)[0]) == {1 / 3}
    assert legend_texts(figure)[-1] == "random"


@pytest.mark.slow
def test_the_overview_is_a_png_beside_the_tables(table: ResultTable, tmp_path: Path) -> None:
    path = write_overview(tmp_path, [table])
    assert path == tmp_path / "overview.png" and Image.open(path).format == "PNG"


def point(method: str, label: str, *errors: tuple[float, float]) -> Point:
    runs = [Measured(Path(label), i, *pair) for i, pair in enumerate(errors)]
    return Point(method, label, runs)


RESULT = StudyResult(
    STUDIES["noise"],
    "lift",
    MEASURE,
    point("deit", "", (0.30, 0.31), (0.32, 0.35)),
    [
        point("paab", "0", (0.2, 0.1), (0.22, 0.1)),
        point("paab", "8", (0.25, 0.05), (0.25, 0.05)),
        point("paat", "0", (0.2, 0.1), (0.24, 0.1)),
        point("paat", "8", (0.10, 0.25), (0.14, 0.25)),
    ],
)


def bars(axes: Axes) -> dict[str, tuple[list[float], list[float], list[float], str]]:
    """Places, means, half lengths and colour of the error bars of each method."""
    found = {}
    for container in axes.containers:
        line, _, (segments,) = container.lines
        lengths = [(end[1] - start[1]) / 2 for start, end in segments.get_segments()]
        found[container.get_label()] = (*data_of(line), lengths, line.get_color())
    return found


def test_a_study_has_means_and_spread_of_both_splits() -> None:
    figure = study_figure(RESULT)
    colours = method_colours(["deit", "paab", "paat"])
    valid, test = figure.axes
    assert "Validation" in valid.get_title("left") and "Test" in test.get_title("left")
    for axes in (valid, test):
        assert axes.get_xlabel().replace("\n", " ") == STUDIES["noise"].axis
    assert valid.get_ylabel() == "alignment error (lower is better)"
    assert [label.get_text() for label in valid.get_xticklabels()] == ["0", "8"]
    half = 0.02 / np.sqrt(2)
    shown = bars(valid)
    assert shown["paab"][1] == pytest.approx([0.21, 0.25])
    assert shown["paab"][2] == pytest.approx([half, 0])
    assert shown["paab"][3] == colours["paab"]
    assert shown["paat"][1] == pytest.approx([0.22, 0.12]) and shown["paat"][3] == colours["paat"]
    assert shown["paab"][0] == pytest.approx([-0.04, 0.96])
    assert shown["paat"][0] == pytest.approx([0.04, 1.04])
    assert bars(test)["paab"][1] == pytest.approx([0.1, 0.05])
    assert bars(test)["paat"][1] == pytest.approx([0.1, 0.25])
    dots = [data_of(line)[1] for line in valid.lines if line.get_marker() == "."]
    assert dots == [[0.2, 0.22], [0.25, 0.25], [0.2, 0.24], [0.10, 0.14]]
    assert figure.get_suptitle() == "How exact the poses are: lift"
    assert legend_texts(figure) == ["deit", "paab", "paat", "chosen value"]


@pytest.mark.slow
def test_names_of_values_stay_below_their_own_panel() -> None:
    names = [point("paat", name, (0.2, 0.1)) for name in STUDIES["paat-target"].names.values()]
    figure = study_figure(replace(RESULT, study=STUDIES["paat-target"], points=names))
    figure.draw_without_rendering()
    for axes in figure.axes:
        for name in axes.get_xticklabels():
            box = name.get_window_extent()
            assert axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1


def test_the_ring_is_around_the_value_with_the_lowest_validation_error() -> None:
    colours = method_colours(["deit", "paab", "paat"])
    valid, test = study_figure(RESULT).axes
    rings = {
        axes: [
            (*data_of(line), line.get_markeredgecolor())
            for line in axes.lines
            if line.get_gid() == "ring"
        ]
        for axes in (valid, test)
    }
    paab, paat = ([pytest.approx(-0.04)], [pytest.approx(1.04)])
    assert rings[valid] == [
        (paab, [pytest.approx(0.21)], colours["paab"]),
        (paat, [pytest.approx(0.12)], colours["paat"]),
    ]
    # The chosen values, although others have lower test errors.
    assert rings[test] == [
        (paab, [pytest.approx(0.1)], colours["paab"]),
        (paat, [pytest.approx(0.25)], colours["paat"]),
    ]


def test_the_plain_method_is_a_line_across() -> None:
    valid, test = study_figure(RESULT).axes
    for axes, middle, half in ((valid, 0.31, 0.02 / 2**0.5), (test, 0.33, 0.04 / 2**0.5)):
        (line,) = [line for line in axes.lines if line.get_label() == "deit"]
        assert data_of(line)[1] == pytest.approx([middle] * 2)
        (band,) = axes.patches
        assert band.get_y() == pytest.approx(middle - half)
        assert band.get_height() == pytest.approx(2 * half)


@pytest.mark.slow
def test_only_numbers_are_joined_by_a_line(tmp_path: Path) -> None:
    joined = study_figure(RESULT).axes[0].containers[0].lines[0]
    kinds = [replace(p, label=f"kind {p.label}") for p in RESULT.points]
    apart = study_figure(replace(RESULT, points=kinds)).axes[0].containers[0].lines[0]
    assert (joined.get_linestyle(), apart.get_linestyle()) == ("-", "None")
    publish({tmp_path / "a.md": RESULT})
    assert Image.open(tmp_path / "a.png").format == "PNG"
