"""Learning curves: numbers of the history over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from align.report.style import INK, STYLE, WIDTH, colour_legend, integer_ticks, light_grid
from align.results.chance import RANDOM_ERROR
from align.results.runs import Run
from align.results.statistics import mean

_LOSS, _ERROR = "train/time_contrastive", "valid/alignment_error"


class Trained(Protocol):
    """The parts of a run that `draw_curves` needs."""

    @property
    def label(self) -> str:
        """The row of the table that the run belongs to."""

    @property
    def history(self) -> list[dict[str, float]]:
        """One entry for each epoch."""


@matplotlib.rc_context(STYLE)
def learning_curves(runs: Sequence[Run], colours: Mapping[str, str]) -> Figure:
    """Training loss and validation alignment error: a thin line for each run, a thick mean.

    The loss is the time-contrastive one that all methods share, without PAAT's own.
    """
    figure = Figure(figsize=(WIDTH, 3.5), layout="constrained")
    loss, error = figure.subplots(1, 2)
    draw_curves(loss, runs, _LOSS, colours, "loss")
    draw_curves(error, runs, _ERROR, colours, "alignment error")
    loss.set_title("Training loss (time-contrastive)", loc="left")
    error.set_title("Validation alignment error (ring: the evaluated checkpoint)", loc="left")
    for run in runs:
        rows = [row for row in run.history if _ERROR in row]
        if rows:
            best = min(rows, key=lambda row: row[_ERROR])
            draw_ring(error, best["epoch"], best[_ERROR], colours[run.label], size=10)
    error.set_ylim(0, max(error.get_ylim()[1], 1.1 * RANDOM_ERROR))
    error.axhline(
        RANDOM_ERROR, color=INK, linewidth=0.8, linestyle=(0, (2, 3)), alpha=0.7, gid="chance"
    )
    beside = error.get_yaxis_transform()
    error.text(0.99, RANDOM_ERROR, "random", transform=beside, ha="right", va="bottom", alpha=0.8)
    colour_legend(figure, colours)
    return figure


def draw_curves(
    axes: Axes, runs: Sequence[Trained], name: str, colours: Mapping[str, str], quantity: str
) -> None:
    """Draws a number of the history over epochs: a thin line for each run, a thick mean.

    Args:
        axes: Axes to draw on.
        runs: Runs of all labels.
        name: Column of the history.
        colours: Label to colour.
        quantity: Label of the vertical axis.
    """
    for label, colour in colours.items():
        curves = [
            {row["epoch"]: row[name] for row in run.history if name in row}
            for run in runs
            if run.label == label
        ]
        alone = len(curves) == 1
        for curve in curves:
            _draw_curve(axes, curve, colour, *((2.2, 1.0) if alone else (0.8, 0.55)))
        # Beyond the epochs that all runs have, the mean would be over fewer runs, and jump.
        common = sorted(set.intersection(*map(set, curves)))
        if not alone and common:
            means = {epoch: mean(curve[epoch] for curve in curves) for epoch in common}
            _draw_curve(axes, means, colour, 2.2, 1.0)
    if not any(np.size(line.get_xdata()) for line in axes.lines):
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", alpha=0.7)
    axes.set_xlabel("epoch")
    axes.set_ylabel(quantity)
    integer_ticks(axes)
    light_grid(axes, "y")


def _draw_curve(
    axes: Axes, curve: Mapping[float, float], colour: str, width: float, alpha: float
) -> None:
    # A line through a single point is invisible.
    marker = "o" if len(curve) == 1 else ""
    axes.plot(
        *(list(curve), list(curve.values())),
        color=colour,
        linewidth=width,
        alpha=alpha,
        marker=marker,
        markersize=2.5 * width,
    )


def draw_ring(axes: Axes, x: float, y: float, colour: str, size: float) -> None:
    """A ring around a point, which marks what has been chosen."""
    axes.plot(
        [x],
        [y],
        "o",
        markersize=size,
        markerfacecolor="none",
        markeredgecolor=colour,
        markeredgewidth=1.6,
        gid="ring",
        zorder=4,
    )
