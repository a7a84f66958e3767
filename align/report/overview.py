"""A whole grid in one picture: alignment errors of all methods, a panel a world and protocol."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from align.report.style import INK, STYLE, WIDTH, light_grid, method_colours, save_png
from align.results.chance import RANDOM_ERROR
from align.results.paper import SOURCE
from align.results.statistics import mean
from align.results.tables import ResultRow, ResultTable

OVERVIEW_NAME = "overview.png"
_PER_ROW = 3
_LABEL_WIDTH = 22  # letters
_NEAREST, _MOTION = "alignment_error", "alignment_error_motion"
_LEGEND = {
    "o": "by the nearest frame, mean over seeds",
    ".": "one seed",
    "D": "by the nearest frame in motion",
    "x": f"paper ({SOURCE})",
    ":": "random",
}


@matplotlib.rc_context(STYLE)
def overview(tables: Sequence[ResultTable]) -> Figure:
    """Errors of each method: the mean by nearest frame with a dot for each seed, and in motion.

    Args:
        tables: At least one; each becomes a panel with a line for each method.

    Returns:
        The figure. Crosses are the paper's numbers, where it has the world and the method.
    """
    columns = min(len(tables), _PER_ROW)
    rows = [tables[i : i + columns] for i in range(0, len(tables), columns)]
    heights = [1.1 + 0.3 * max(map(_text_lines, row)) for row in rows]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.9), layout="constrained")
    grid = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights)
    colours = method_colours([row.summary.label for table in tables for row in table.rows])
    for axes in grid.flat[len(tables) :]:
        axes.set_axis_off()
    for axes, table in zip(grid.flat, tables, strict=False):
        for place, row in enumerate(table.rows):
            _draw_row(axes, table, row, place, colours[row.summary.label])
        _label_axes(axes, table)
    _add_legend(figure)
    return figure


def write_overview(out: Path, tables: Sequence[ResultTable]) -> Path:
    """Writes `overview.png` into the grid's folder and returns its path."""
    path = out / OVERVIEW_NAME
    save_png(overview(tables), path)
    return path


def _row_labels(table: ResultTable) -> list[str]:
    return [textwrap.fill(row.summary.label, _LABEL_WIDTH) for row in table.rows]


def _text_lines(table: ResultTable) -> float:
    """Height of the rows in lines of text: a long label needs more than one."""
    labels = _row_labels(table)
    return len(labels) * max(1.0, 0.6 * max(1 + label.count("\n") for label in labels))


def _label_axes(axes: Axes, table: ResultTable) -> None:
    labels = _row_labels(table)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlim(0, 1.06 * axes.dataLim.x1)
    if axes.get_xlim()[1] > RANDOM_ERROR:
        axes.axvline(RANDOM_ERROR, color=INK, linewidth=0.8, linestyle=":", alpha=0.7)
    axes.set_xlabel("alignment error (lower is better)")
    # At the right edge: a title that starts at the axes' left edge could be cut off at the right.
    axes.set_title(textwrap.fill(table.title, 40), loc="right")
    axes.tick_params(axis="y", length=0)
    light_grid(axes, "x")


def _draw_row(axes: Axes, table: ResultTable, row: ResultRow, place: int, colour: str) -> None:
    label = row.summary.label
    measured = [run.evaluation.metrics for run in table.runs if run.label == label]
    nearest, moving = (
        [metrics[name] for metrics in measured if name in metrics] for name in (_NEAREST, _MOTION)
    )
    if len(nearest) > 1:
        ends = [min(nearest), max(nearest)]
        axes.plot(
            ends, [place, place], color=colour, linewidth=2, alpha=0.35, solid_capstyle="round"
        )
        axes.plot(nearest, [place] * len(nearest), ".", color=colour, markersize=5, alpha=0.6)
    axes.plot(row.summary.mean[_NEAREST], place, "o", color=colour, markersize=8)
    if moving:
        axes.plot(
            mean(moving), place, "D", markersize=6, markerfacecolor="none", markeredgecolor=colour
        )
    if row.paper is not None:
        axes.plot(row.paper, place, "x", color=INK, markersize=5, alpha=0.7)


def _add_legend(figure: Figure) -> None:
    """Explains the marks that some panel shows, and no others."""
    lines = [line for axes in figure.axes for line in axes.lines]
    shown = {line.get_marker() for line in lines} | {line.get_linestyle() for line in lines}
    handles = []
    for mark, label in _LEGEND.items():
        if mark not in shown:
            continue
        handle = Line2D([], [], color=INK, markersize=6, label=label)
        handle.set_linestyle(":" if mark == ":" else "")
        handle.set_marker("" if mark == ":" else mark)
        if mark == "D":
            handle.set_markerfacecolor("none")
        handles.append(handle)
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 3))
