"""The cost of a method: validation error against the processor time of its training."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from align.engine.run_folder import RunFolder
from align.report.style import STYLE, WIDTH, colour_legend, light_grid, method_colours, save_png
from align.results.runs import Run
from align.results.tables import ResultTable

COST_NAME = "cost.png"
_COST, _ERROR = "core_seconds", "valid/alignment_error"
_PER_ROW = 2


def error_by_cost(run: Run) -> list[tuple[float, float]]:
    """Minutes of one core and validation error of each epoch that was validated.

    The minutes are those of the steps, in the main process. A run of late pose on a trunk that was
    trained before starts where its trunk ended.

    Returns:
        An empty list for a run, or a trunk, that did not count its time.
    """
    before = _minutes(_history_of_trunk(run))
    spent = _minutes(run.history)
    if not spent or before is None:
        return []
    start = before[-1] if before else 0.0
    return [
        (start + minutes, row[_ERROR])
        for minutes, row in zip(spent, run.history, strict=True)
        if _ERROR in row
    ]


@matplotlib.rc_context(STYLE)
def cost(tables: Sequence[ResultTable]) -> Figure:
    """A panel for each table: a line for each run, whose last point is the end of its training.

    Args:
        tables: At least one.
    """
    columns = min(len(tables), _PER_ROW)
    height = -(-len(tables) // columns)
    figure = Figure(figsize=(WIDTH, 3.4 * height + 0.4), layout="constrained")
    grid = figure.subplots(height, columns, squeeze=False)
    colours = method_colours([row.summary.label for table in tables for row in table.rows])
    for axes in grid.flat[len(tables) :]:
        axes.set_axis_off()
    for axes, table in zip(grid.flat, tables, strict=False):
        for run in table.runs:
            _draw(axes, error_by_cost(run), colours[run.label])
        axes.set_title(table.title, loc="left")
        axes.set_xlabel("minutes of one core")
        axes.set_ylabel("validation error")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        light_grid(axes, "both")
    colour_legend(figure, colours)
    return figure


def write_cost(out: Path, tables: Sequence[ResultTable]) -> Path | None:
    """Writes `cost.png` into the grid's folder, unless no run counted its time."""
    counted = [t for t in tables if any(error_by_cost(run) for run in t.runs)]
    if not counted:
        return None
    path = out / COST_NAME
    save_png(cost(counted), path)
    return path


def _draw(axes: Axes, points: Sequence[tuple[float, float]], colour: str) -> None:
    if points:
        minutes, errors = zip(*points, strict=True)
        axes.plot(minutes, errors, color=colour, linewidth=1.2, alpha=0.7)
        axes.plot(minutes[-1], errors[-1], "o", color=colour, markersize=5, clip_on=False)


def _history_of_trunk(run: Run) -> list[dict[str, float]] | None:
    """The history of a frozen trunk; None where there is no such trunk."""
    frozen = run.config.parts.late is not None and run.config.late.freeze_trunk
    if not frozen or run.config.init is None:
        return None
    folder = RunFolder(run.config.init)
    return folder.load_history() if folder.history.exists() else [{}]


def _minutes(history: Sequence[dict[str, float]] | None) -> list[float] | None:
    """Minutes so far at each epoch; [] without a history, None where they were not counted."""
    if history is None:
        return []
    if not all(_COST in row for row in history):
        return None
    return [seconds / 60 for seconds in accumulate(row[_COST] for row in history)]
