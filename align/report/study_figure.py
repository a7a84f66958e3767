"""The figure of a study: error against the value of the option, beside the plain method's line."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from align.report.style import STYLE, WIDTH, method_colours
from align.results.study_tables import Point, StudyResult
from align.results.text import mean
from datasets.storage.atomic import atomic_path

_PANELS = {"valid": "Validation episodes: by these a value is chosen", "test": "Test episodes"}


@matplotlib.rc_context(STYLE)
def draw_study(result: StudyResult, path: Path) -> None:
    """Writes a PNG: mean and spread over seeds, a dot a run, a ring around what is chosen."""
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    panels = dict(zip(_PANELS, figure.subplots(1, 2, sharey=True), strict=True))
    for split, axes in panels.items():
        _draw_panel(axes, result, split)
        axes.set_title(_PANELS[split], loc="left")
        axes.set_xlabel(result.study.axis)
    panels["valid"].set_ylabel(result.metric)
    figure.suptitle(f"{result.study.title}: {result.world}", x=0.01, ha="left")
    handles, labels = panels["valid"].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(handles))
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


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
            # Between places and kinds there is nothing to go through.
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
        axes.plot(
            places[best],
            means[best],
            "o",
            markersize=13,
            markerfacecolor="none",
            markeredgecolor=colours[method],
        )
    axes.set_xticks(range(len(labels)), labels)
    axes.margins(x=0.08)
    axes.grid(axis="y", alpha=0.15)


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
    return float(np.std(errors, ddof=1)) if len(errors) > 1 else 0.0
