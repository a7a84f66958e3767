"""The figures of action recognition show the numbers of the runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from action.evaluation import ActionEvaluation
from action.pictures import (
    ASKED,
    RIGHT,
    WRONG,
    Found,
    confusion_figure,
    draw_confusion,
    middle_frame,
    retrieval_figure,
)
from action.report import learning_curves, recall_bars
from action.results import ActionRun, result_rows, table
from action.training.task import open_data
from align.report.style import method_colours
from tests.action.test_compare import run_of
from tests.action.test_train import config_for
from tests.align.report.test_report_pictures import data_of, labels_of, legend_of


@pytest.mark.slow
def test_confusion_has_true_classes_down_and_predictions_across(tmp_path: Path) -> None:
    matrix = np.array([[3, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]])
    figure = confusion_figure(matrix, ["sit", "walk", "never", "fall"])
    axes, bar = figure.axes
    present = ["sit", "walk", "fall"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == present
    assert [tick.get_text() for tick in axes.get_xticklabels()] == present
    assert labels_of(axes) == ("predicted class", "true class")
    shares = [[0.75, 0.25, 0], [0, 1, 0], [0, 1, 0]]
    np.testing.assert_allclose(axes.images[0].get_array(), shares)
    assert axes.images[0].get_clim() == (0, 1)
    written = {text.get_position(): (text.get_text(), text.get_color()) for text in axes.texts}
    assert written == {
        (0, 0): ("3", "white"),
        (1, 0): ("1", "black"),
        (1, 1): ("2", "white"),
        (1, 2): ("1", "white"),
    }
    assert bar.get_ylabel() == "share of the true class"
    draw_confusion(matrix, ["sit", "walk", "never", "fall"], tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").format == "PNG"


def test_many_classes_have_no_numbers() -> None:
    figure = confusion_figure(np.eye(33, dtype=int), [str(i) for i in range(33)])
    assert not figure.axes[0].texts


@pytest.mark.slow
def test_a_search_shows_the_query_then_what_it_found(squares: Path, tmp_path: Path) -> None:
    clips = open_data(config_for(squares, tmp_path)).parts["test"][:3]
    rows = [
        [
            Found(clips[0], "right", ASKED),
            Found(clips[1], "right", RIGHT),
            Found(clips[2], "down", WRONG),
        ],
        [Found(clips[2], "down", ASKED), Found(clips[0], "right", WRONG)],
    ]
    figure = retrieval_figure(rows, "a search")
    assert figure.get_suptitle() == "a search"
    grid = np.array(figure.axes).reshape(2, 3)
    assert [axes.texts[0].get_text() for axes in grid[0]] == ["query", "1", "2"]
    for line, row in zip(grid, rows, strict=True):
        for axes, item in zip(line, row, strict=False):
            np.testing.assert_array_equal(axes.images[0].get_array(), middle_frame(item.clip))
            assert axes.get_title() == item.name
            edges = {to_hex(spine.get_edgecolor()) for spine in axes.spines.values()}
            assert edges == {item.colour}
    assert not grid[1, 2].images


def with_history(run: ActionRun, losses: list[float], accuracies: list[float]) -> ActionRun:
    history = [
        {"epoch": i, "train/recognition": loss, "valid/top1": accuracy, "seconds": 60}
        for i, (loss, accuracy) in enumerate(zip(losses, accuracies, strict=True), start=1)
    ]
    return replace(run, history=history)


def test_curves_are_loss_and_accuracy() -> None:
    runs = [
        with_history(run_of("baseline", 0, [True]), [3, 2], [0.1, 0.3]),
        with_history(run_of("baseline", 1, [True]), [5, 4], [0.3, 0.5]),
        with_history(run_of("paat", 0, [True]), [1, 0.5], [0.8, 0.9]),
    ]
    colours = method_colours(["baseline", "paat"])
    figure = learning_curves(runs, colours)
    loss, accuracy = figure.axes
    assert [data_of(line)[1] for line in loss.lines] == [[3, 2], [5, 4], [4, 3], [1, 0.5]]
    assert [data_of(line)[1] for line in accuracy.lines] == [
        [0.1, 0.3],
        [0.3, 0.5],
        pytest.approx([0.2, 0.4]),
        [0.8, 0.9],
    ]
    assert "loss" in loss.get_title("left") and "top-1" in accuracy.get_title("left")
    assert labels_of(loss) == ("epoch", "loss")
    assert labels_of(accuracy) == ("epoch", "top-1 accuracy")
    assert legend_of(figure) == {name: to_hex(colour) for name, colour in colours.items()}


def recalled(method: str, seed: int, **recall: float) -> ActionRun:
    run = run_of(method, seed, [True])
    evaluation: ActionEvaluation = replace(run.evaluations["CVS3"], recall=recall)
    return replace(run, evaluations={"CVS3": evaluation})


def test_bars_are_the_recall_of_each_class_over_seeds() -> None:
    runs = [
        recalled("baseline", 0, walk=0.2, fall=0.4),
        recalled("baseline", 1, walk=0.4),
        recalled("paat", 0, walk=0.9, fall=0.8),
    ]
    colours = method_colours(["baseline", "paat"])
    figure = recall_bars(runs, "CVS3", colours)
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["fall", "walk"]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([0.2, 0.3, 0.8, 0.9])
    centres = [bar.get_x() + bar.get_width() / 2 for bar in axes.patches]
    assert centres == pytest.approx([-0.2, 0.8, 0.2, 1.2])
    shades = [to_hex(bar.get_facecolor()) for bar in axes.patches]
    assert shades == [to_hex(colours["baseline"])] * 2 + [to_hex(colours["paat"])] * 2
    assert axes.get_ylabel() == "recall" and axes.get_title("left") == "CVS3: recall of each class"
    assert list(legend_of(figure)) == ["baseline", "paat"]


def test_chance_follows_each_protocol() -> None:
    run = recalled("baseline", 0, walk=1, fall=1, sit=1, jump=1)
    other = replace(run.evaluations["CVS3"], recall={"walk": 1.0, "fall": 1.0})
    lines = table(result_rows([replace(run, evaluations=run.evaluations | {"CVS1": other})]))
    assert [(line[0], line[1], line[3]) for line in lines[1:]] == [
        ("CVS3", "baseline", "100.0"),
        ("CVS3", "random, about", "25.0"),
        ("CVS1", "baseline", "100.0"),
        ("CVS1", "random, about", "50.0"),
    ]
