"""Errors against processor time: which point stands where."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from align.config import TrainConfig
from align.engine.run_folder import RunFolder
from align.models.config import LateConfig
from align.report.cost import cost, error_by_cost, write_cost
from align.report.style import method_colours
from align.results.tables import ResultTable, measured_runs, result_tables
from tests.align.hand_made_runs import run_with_error
from tests.align.report.test_report_pictures import data_of, labels_of


def count(folder: Path, seconds: float) -> None:
    """Lets each epoch of a run have taken some seconds of one core."""
    run = RunFolder(folder)
    run.save_history([{**row, "core_seconds": seconds} for row in run.load_history()])


@pytest.fixture
def table(data: Path, tmp_path: Path) -> ResultTable:
    folder = tmp_path / "dots_seen"
    deit = run_with_error(folder / "deit_seed0", data, "deit", 0, 0.2)
    late = run_with_error(folder / "late_seed0", data, "late", 0, 0.1)
    count(deit, 60.0)
    count(late, 30.0)
    config = replace(TrainConfig.load(late), init=deit, late=LateConfig(freeze_trunk=True))
    config.save(late)
    (found,) = result_tables(measured_runs(tmp_path))
    return found


@pytest.mark.slow
def test_time_is_summed_over_epochs_and_over_the_trunk(table: ResultTable) -> None:
    curves = {run.label: error_by_cost(run) for run in table.runs}
    assert curves["deit"] == [(2.0, 0.15), (4.0, 0.075)]  # validated at epochs 2 and 4
    assert curves["late"] == [(4.0 + 1.0, 0.15), (4.0 + 2.0, 0.075)]


@pytest.mark.slow
def test_a_trunk_that_did_not_count_leaves_its_late_pose_out(table: ResultTable) -> None:
    deit, late = table.runs
    history = deit.history
    RunFolder(deit.folder).save_history(
        [{k: v for k, v in row.items() if k != "core_seconds"} for row in history]
    )
    assert error_by_cost(late) == []


@pytest.mark.slow
def test_each_run_is_a_line_that_ends_in_a_point(table: ResultTable) -> None:
    colours = method_colours(["deit", "late"])
    (axes,) = cost([table]).axes
    assert labels_of(axes) == ("minutes of one core", "validation error")
    lines = [line for line in axes.lines if line.get_marker() == "None"]
    assert [(data_of(line), line.get_color()) for line in lines] == [
        (([2.0, 4.0], [0.15, 0.075]), colours["deit"]),
        (([5.0, 6.0], [0.15, 0.075]), colours["late"]),
    ]
    ends = [data_of(line) for line in axes.lines if line.get_marker() == "o"]
    assert ends == [([4.0], [0.075]), ([6.0], [0.075])]


@pytest.mark.slow
def test_the_picture_lies_beside_the_tables_where_time_was_counted(
    table: ResultTable, tmp_path: Path
) -> None:
    path = write_cost(tmp_path, [table])
    assert path == tmp_path / "cost.png" and Image.open(path).format == "PNG"
    uncounted = replace(table, runs=[replace(run, history=[]) for run in table.runs])
    assert write_cost(tmp_path, [uncounted]) is None
