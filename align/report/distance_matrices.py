"""Distances of all frames of two views in the embedding, with the frames that are picked."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from align.report.episode import Example
from align.report.style import INK, STYLE, WIDTH, phase_colours, wrapped_title

_DASHED = (0, (4, 3))


@matplotlib.rc_context(STYLE)
def distance_matrices(example: Example, colours: Mapping[str, str]) -> Figure:
    """A panel for each method: distances as shades, the picked frames as a path."""
    methods = list(example.matches)
    per_row = min(len(methods), 4)
    lines = -(-len(methods) // per_row)
    side = min(WIDTH / per_row, 4.2)
    titles = {
        m: wrapped_title(m, f"error {example.matches[m].error:.3f}", side - 0.5) for m in methods
    }
    title_lines = 1 + max(title.count("\n") for title in titles.values())
    handles = _legend_handles(example)
    columns = min(len(handles), max(2, int(side * per_row / 1.6)))
    legend_lines = -(-len(handles) // columns)
    height = (side + 0.1 + 0.2 * title_lines) * lines + 0.25 + 0.2 * legend_lines
    figure = Figure(figsize=(side * per_row, height), layout="constrained")
    grid = figure.subplots(lines, per_row, squeeze=False)
    for axes in grid.flat[len(methods) :]:
        axes.set_axis_off()
    for i, (axes, label) in enumerate(zip(grid.flat, methods, strict=False)):
        _draw_distances(axes, example, label, colours[label])
        axes.set_title(titles[label], loc="left", pad=12)
        if i % per_row == 0:
            axes.set_ylabel(f"time step in {example.target}")
        axes.set_xlabel(f"time step in {example.query}")
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
    return figure


def _legend_handles(example: Example) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=INK, linestyle=_DASHED, linewidth=1, label="the same moment"),
        Line2D([], [], color=INK, marker="o", markersize=3.5, linewidth=0.8, label="picked frame"),
    ]
    shades = phase_colours(len(example.phase_names))
    used = [int(phase) for phase in np.unique(example.phases)]
    return handles + [Patch(color=shades[p], label=example.phase_names[p]) for p in used]


def _draw_distances(axes: Axes, example: Example, label: str, colour: str) -> None:
    times, matches = example.times, example.matches[label]
    # Half a drawn step around the first and the last, so that each lies in its cell's middle.
    edge = 0.5 * len(example) / len(times)
    extent = (-edge, len(example) - 1 + edge) * 2
    # Near is white, so that the path lies on white where the method is certain.
    axes.imshow(
        matches.distances.T,
        cmap="Greys",
        origin="lower",
        interpolation="none",
        aspect="equal",
        extent=extent,
    )
    # Dark in dark mode too: the shades behind it do not change.
    axes.plot(times, times, color="#202020", linestyle=_DASHED, linewidth=1, gid="diagonal")
    axes.plot(
        times,
        matches.picks,
        color=colour,
        marker="o",
        markersize=3,
        linewidth=0.9,
        path_effects=[withStroke(linewidth=2.2, foreground="white")],
        gid="path",
    )
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.spines[:].set_visible(False)
    _draw_phases(axes, example)


def _draw_phases(axes: Axes, example: Example) -> None:
    """Coloured edges: the phase of each time step, along both axes."""
    shades = np.array([to_rgb(colour) for colour in phase_colours(len(example.phase_names))])
    colours = shades[example.phases[example.times]]
    for place, strip in (
        ((0, 1.012, 1, 0.03), colours[None]),
        ((1.012, 0, 0.03, 1), colours[:, None]),
    ):
        inset = axes.inset_axes(place)
        inset.imshow(strip, aspect="auto", origin="lower", interpolation="none")
        inset.set_axis_off()
