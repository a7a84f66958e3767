"""The figure of a study: what is measured by value of the option, the plain method as a line."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from align.report.curves import draw_ring
from align.report.style import INK, STYLE, WIDTH, light_grid, method_colours, save_png
from align.results.statistics import mean, std
from align.results.study_tables import Point, StudyResult, as_markdown

_SPLITS = ("valid", "test")


def publish(tables: Mapping[Path, StudyResult]) -> None:
    """Draws the figure of each study beside its table, and prints the table.

    Args:
        tables: Path of the Markdown table to its result.
    """
    for table, result in tables.items():
        figure = table.with_suffix(".png")
        save_png(study_figure(result), figure)
        print(as_markdown(result))
        print(f"\nfigure: {figure}; table: {table}\n")


@matplotlib.rc_context(STYLE)
def study_figure(result: StudyResult) -> Figure:
    """Mean and spread over seeds, a dot for each run, and a ring around the chosen value."""
    figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    measure = result.measure
    titles = [f"Validation {measure.items}: a value is chosen by these", f"Test {measure.items}"]
    panels = dict(zip(_SPLITS, figure.subplots(1, 2, sharey=True), strict=True))
    for (split, axes), title in zip(panels.items(), titles, strict=True):
        _draw_panel(axes, result, split)
        axes.set_title(title, loc="left")
        axes.set_xlabel(textwrap.fill(result.study.axis, 40))
    better = "lower" if measure.lower_is_better else "higher"
    panels["valid"].set_ylabel(f"{measure.name} ({better} is better)")
    figure.suptitle(f"{result.study.title}: {result.world}", x=0.01, ha="left")
    handles, labels = panels["valid"].get_legend_handles_labels()
    ring = Line2D([], [], color=INK, marker="o", linestyle="", markersize=10)
    ring.set_markerfacecolor("none")
    handles.append(ring)
    figure.legend(
        handles, [*labels, "chosen value"], loc="outside lower center", ncols=len(handles)
    )
    return figure


def _draw_panel(axes: Axes, result: StudyResult, split: str) -> None:
    labels = list(dict.fromkeys(point.label for point in result.points))
    methods = list(dict.fromkeys(point.method for point in result.points))
    colours = method_colours([result.reference.method, *methods])
    if result.reference in result.rows:
        _draw_reference(axes, result.reference, split, colours[result.reference.method])
    for i, method in enumerate(methods):
        points = [point for point in result.points if point.method == method]
        # Side by side, so that bars do not hide each other.
        shift = 0.08 * (i - (len(methods) - 1) / 2)
        places = np.array([labels.index(point.label) for point in points]) + shift
        means = [mean(point.measured(split)) for point in points]
        axes.errorbar(
            places,
            means,
            [_deviation(point.measured(split)) for point in points],
            color=colours[method],
            marker="o",
            # A line between positions or kinds would suggest values in between.
            linestyle="-" if all(map(_is_number, labels)) else "",
            linewidth=1.6,
            capsize=3,
            label=method,
            zorder=3,
        )
        for place, point in zip(places, points, strict=True):
            values = point.measured(split)
            axes.plot([place] * len(values), values, ".", color=colours[method], alpha=0.45)
        if (chosen := result.chosen(method)) is not None:
            best = points.index(chosen)
            draw_ring(axes, places[best], means[best], colours[method], size=13)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.5, len(labels) - 0.5)  # room for names, which are wider than numbers
    light_grid(axes, "y")


def _draw_reference(axes: Axes, reference: Point, split: str, colour: str) -> None:
    values = reference.measured(split)
    if not values:
        return
    middle, half = mean(values), _deviation(values)
    axes.axhline(middle, color=colour, linestyle="--", linewidth=1.4, label=reference.method)
    axes.axhspan(middle - half, middle + half, color=colour, alpha=0.12, linewidth=0)


def _is_number(label: str) -> bool:
    return label.replace(".", "", 1).isdigit()


def _deviation(values: list[float]) -> float:
    return float(np.nan_to_num(std(values)))
