"""The figure of a study: error by value of the option, with the plain method as a line."""

from __future__ import annotations

import textwrap
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from align.report.curves import draw_ring
from align.report.style import INK, STYLE, WIDTH, light_grid, method_colours, save_png
from align.results.statistics import mean, std
from align.results.study_tables import Point, StudyResult

_PANELS = {"valid": "Validation episodes: a value is chosen by these", "test": "Test episodes"}


def draw_study(result: StudyResult, path: Path) -> None:
    """Writes `study_figure` as a PNG."""
    save_png(study_figure(result), path)


@matplotlib.rc_context(STYLE)
def study_figure(result: StudyResult) -> Figure:
    """Mean and spread over seeds, a dot for each run, and a ring around the chosen value."""
    figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    panels = dict(zip(_PANELS, figure.subplots(1, 2, sharey=True), strict=True))
    for split, axes in panels.items():
        _draw_panel(axes, result, split)
        axes.set_title(_PANELS[split], loc="left")
        axes.set_xlabel(textwrap.fill(result.study.axis, 40))
    panels["valid"].set_ylabel(f"{result.metric} (lower is better)")
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
    _draw_reference(axes, result.reference, split, colours[result.reference.method])
    for i, method in enumerate(methods):
        points = [point for point in result.points if point.method == method]
        # Side by side, so that bars do not hide each other.
        shift = 0.08 * (i - (len(methods) - 1) / 2)
        places = np.array([labels.index(point.label) for point in points]) + shift
        means = [mean(point.errors(split)) for point in points]
        axes.errorbar(
            places,
            means,
            [_deviation(point.errors(split)) for point in points],
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
            errors = point.errors(split)
            axes.plot([place] * len(errors), errors, ".", color=colours[method], alpha=0.45)
        best = points.index(result.chosen(method))
        draw_ring(axes, places[best], means[best], colours[method], size=13)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.5, len(labels) - 0.5)  # room for names, which are wider than numbers
    light_grid(axes, "y")


def _draw_reference(axes: Axes, reference: Point, split: str, colour: str) -> None:
    errors = reference.errors(split)
    if not errors:
        return
    middle, half = mean(errors), _deviation(errors)
    axes.axhline(middle, color=colour, linestyle="--", linewidth=1.4, label=reference.method)
    axes.axhspan(middle - half, middle + half, color=colour, alpha=0.12, linewidth=0)


def _is_number(label: str) -> bool:
    return label.replace(".", "", 1).isdigit()


def _deviation(errors: list[float]) -> float:
    return float(np.nan_to_num(std(errors)))
