"""A whole grid in one picture: alignment errors of all methods, a panel a world and protocol."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from align.report.style import INK, STYLE, WIDTH, method_colours
from align.results.tables import SOURCE, ResultRow, ResultTable
from align.results.text import mean
from datasets.storage.atomic import atomic_path

OVERVIEW_NAME = "overview.png"
_PER_ROW = 4
_LABEL_WIDTH = 22  # letters
_NEAREST, _MOTION = "alignment_error", "alignment_error_motion"


@matplotlib.rc_context(STYLE)
def overview(tables: Sequence[ResultTable]) -> Figure:
    """Errors of each method: the mean by nearest frame with a dot a seed, and the mean in motion.

    Args:
        tables: At least one; a panel each, with a line a method.

    Returns:
        The figure. Crosses are the paper's numbers, where it has the world and the method.
    """
    columns = min(len(tables), _PER_ROW)
    of_line = [tables[i : i + columns] for i in range(0, len(tables), columns)]
    heights = [0.9 + 0.3 * max(len(table.rows) for table in line) for line in of_line]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.7), layout="constrained")
    grid = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights)
    colours = method_colours([row.summary.label for table in tables for row in table.rows])
    for axes in grid.flat[len(tables) :]:
        axes.set_axis_off()
    for axes, table in zip(grid.flat, tables, strict=False):
        for place, row in enumerate(table.rows):
            _draw_row(axes, table, row, place, colours[row.summary.label])
        labels = [textwrap.fill(row.summary.label, _LABEL_WIDTH) for row in table.rows]
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_xlim(0, 1.06 * axes.dataLim.x1)
        # Towards the labels, where there is room, and not beyond the edge of the picture.
        axes.set_title(table.title, loc="right")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=INK, alpha=0.12, linewidth=0.7)
    kinds = {
        "alignment error by nearest frame": "o",
        "in motion": "D",
        f"paper ({SOURCE.split(':')[0]})": "x",
    }
    handles = [
        Line2D([], [], color=INK, marker=mark, linestyle="", markersize=6, label=label)
        for label, mark in kinds.items()
    ]
    handles[1].set_markerfacecolor("none")
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def write_overview(out: Path, tables: Sequence[ResultTable]) -> Path:
    """Writes `overview.png` into the grid's folder and returns its path."""
    path = out / OVERVIEW_NAME
    figure = overview(tables)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return path


def _draw_row(axes: Axes, table: ResultTable, row: ResultRow, place: int, colour: str) -> None:
    label = row.summary.label
    measured = [run.evaluation.metrics for run in table.runs if run.label == label]
    nearest, moving = (
        [metrics[name] for metrics in measured if name in metrics] for name in (_NEAREST, _MOTION)
    )
    ends = [min(nearest), max(nearest)]
    axes.plot(ends, [place, place], color=colour, linewidth=2, alpha=0.35, solid_capstyle="round")
    axes.plot(nearest, [place] * len(nearest), ".", color=colour, markersize=5, alpha=0.6)
    axes.plot(row.summary.mean[_NEAREST], place, "o", color=colour, markersize=8)
    if moving:
        axes.plot(
            mean(moving), place, "D", markersize=6, markerfacecolor="none", markeredgecolor=colour
        )
    if row.paper is not None:
        axes.plot(row.paper, place, "x", color=INK, markersize=5, alpha=0.7)
