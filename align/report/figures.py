"""The figures of a report, drawn so that they read on light and dark pages alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from align.report.episode import Example
from align.report.style import INK, STYLE, WIDTH, draw_curves, phase_colours, to_svg, wrapped_title
from align.results.runs import Run
from align.results.text import mean

_CHANCE = 1 / 3


@matplotlib.rc_context(STYLE)
def learning_curves(runs: Sequence[Run], colours: Mapping[str, str]) -> Figure:
    """Training loss and validation alignment error: a thin line a run, a thick one their mean.

    The loss is the time-contrastive one that all methods share, without PAAT's own.
    """
    figure = Figure(figsize=(WIDTH, 3.5), layout="constrained")
    loss, error = figure.subplots(1, 2)
    draw_curves(loss, runs, "train/time_contrastive", colours)
    draw_curves(error, runs, "valid/alignment_error", colours)
    loss.set_title("Training loss (time-contrastive)", loc="left")
    error.set_title("Validation alignment error (dot: the checkpoint that is measured)", loc="left")
    for run in runs:
        rows = [row for row in run.history if "valid/alignment_error" in row]
        if rows:
            best = min(rows, key=lambda row: row["valid/alignment_error"])
            place = best["epoch"], best["valid/alignment_error"]
            error.plot(*place, "o", color=colours[run.label], markersize=4, zorder=4)
    error.set_ylim(0, max(error.get_ylim()[1], 1.1 * _CHANCE))
    error.axhline(_CHANCE, color=INK, linewidth=0.8, linestyle=(0, (2, 3)), alpha=0.7)
    beside = error.get_yaxis_transform()
    error.text(0.99, _CHANCE, "random", transform=beside, ha="right", va="bottom", alpha=0.8)
    handles = [Line2D([], [], color=c, linewidth=2.4, label=name) for name, c in colours.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    return figure


@matplotlib.rc_context(STYLE)
def view_pair_heat_map(
    errors: Mapping[str, Mapping[tuple[str, str], float]],
    title: str = "alignment error",
    higher_is_better: bool = False,
) -> Figure:
    """A metric of each pair of views, a panel a method, on one colour scale where dark is good.

    Args:
        errors: Method to pair of views to mean metric.
        title: Of the metric.
        higher_is_better: Whether dark is for high values.
    """
    pairs = list(next(iter(errors.values())))
    rows, columns = (list(dict.fromkeys(pair[side] for pair in pairs)) for side in (0, 1))
    top = max(max(values.values()) for values in errors.values())
    per_row = min(len(errors), 4 if len(rows) <= 4 else 2)
    lines = -(-len(errors) // per_row)
    side = min((WIDTH - 1.6) / per_row, 3.6 if len(rows) <= 6 else 5, 0.9 * len(rows) + 0.9)
    size = side * per_row + 1.6, (side * len(rows) / len(columns) + 0.75) * lines
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(lines, per_row, squeeze=False)
    for axes in grid.flat[len(errors) :]:
        axes.set_axis_off()
    for axes, (label, values) in zip(grid.flat, errors.items(), strict=False):
        table = np.full((len(rows), len(columns)), np.nan)
        for (first, second), value in values.items():
            table[rows.index(first), columns.index(second)] = value
        shades = "cividis_r" if higher_is_better else "cividis"
        mesh = axes.imshow(table, cmap=shades, vmin=0, vmax=top or 1, interpolation="none")
        _write_values(axes, table, top or 1, higher_is_better)
        axes.set_title(wrapped_title(label, f"{mean(values.values()):.3f}", side), loc="left")
        axes.set_xticks(
            range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor"
        )
        first = axes.get_subplotspec().is_first_col()
        axes.set_yticks(range(len(rows)), rows if first else [""] * len(rows))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    figure.colorbar(mesh, ax=grid, label=title, aspect=18 * lines, pad=0.015)
    return figure


def _write_values(axes: Axes, table: np.ndarray, top: float, dark_is_high: bool) -> None:
    for row, column in np.argwhere(np.isfinite(table)):
        value = table[row, column]
        # Cividis is dark in its lower half, reversed in its upper one.
        colour = "white" if (value < 0.5 * top) != dark_is_high else "black"
        text = f"{value:.2f}".removeprefix("0") if len(table) > 10 else f"{value:.3f}"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8.5)


@matplotlib.rc_context(STYLE)
def distance_matrices(example: Example, colours: Mapping[str, str]) -> Figure:
    """Distances of all frames of two views, a panel a method, with the frames that are picked."""
    methods = list(example.distances)
    per_row = min(len(methods), 4)
    lines = -(-len(methods) // per_row)
    side = min(WIDTH / per_row, 4.2)
    titles = {m: wrapped_title(m, f"error {example.error(m):.3f}", side - 0.5) for m in methods}
    title_lines = 1 + max(title.count("\n") for title in titles.values())
    size = side * per_row, (side + 0.1 + 0.2 * title_lines) * lines + 0.45
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(lines, per_row, squeeze=False)
    for axes in grid.flat[len(methods) :]:
        axes.set_axis_off()
    for axes, label in zip(grid.flat, methods, strict=False):
        _draw_distances(axes, example, label, colours[label])
        axes.set_title(titles[label], loc="left", pad=12)
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel(f"time step in {example.target}")
        axes.set_xlabel(f"time step in {example.query}")
    used = [int(phase) for phase in np.unique(example.phases)]
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=INK, linestyle=(0, (4, 3)), linewidth=1, label="the same moment"),
        Line2D([], [], color=INK, marker="o", markersize=3.5, linewidth=0.8, label="picked frame"),
    ]
    shades = phase_colours(len(example.phase_names))
    handles += [Patch(color=shades[p], label=example.phase_names[p]) for p in used]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), int(size[0] / 1.3))
    )
    return figure


def _draw_distances(axes: Axes, example: Example, label: str, colour: str) -> None:
    times = np.arange(len(example))
    # Near is white, so that the path lies on white where the method is sure.
    picture = example.distances[label].T
    axes.imshow(picture, cmap="Greys", origin="lower", interpolation="none", aspect="equal")
    axes.plot(times, times, color="#202020", linestyle=(0, (4, 3)), linewidth=1, gid="diagonal")
    axes.plot(
        times,
        example.picks(label),
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
    shades = np.array([to_rgb(colour) for colour in phase_colours(len(example.phase_names))])
    colours = shades[example.phases]
    for place, strip in (
        ((0, 1.012, 1, 0.03), colours[None]),
        ((1.012, 0, 0.03, 1), colours[:, None]),
    ):
        inset = axes.inset_axes(place)
        inset.imshow(strip, aspect="auto", origin="lower", interpolation="none")
        inset.set_axis_off()


def phase_heat_map(runs: Sequence[Run]) -> Markup | None:
    """Phase F1 from each view to each other; None where runs have no phase metrics."""
    scores = pair_means(
        (run.label, (result.learned_view, result.asked_view), result.metrics["phase_f1"])
        for run in runs
        for result in run.evaluation.phases
    )
    if len(scores) < len({run.label for run in runs}):
        return None
    return Markup(to_svg(view_pair_heat_map(scores, "phase F1", higher_is_better=True)))


def pair_errors(runs: Sequence[Run]) -> dict[str, dict[tuple[str, str], float]]:
    """Method to pair of views to alignment error, mean over episodes and seeds."""
    return pair_means(
        (run.label, (pair.view1, pair.view2), pair.metrics["alignment_error"])
        for run in runs
        for pair in run.evaluation.pairs
    )


def pair_means(
    values: Iterable[tuple[str, tuple[str, str], float]],
) -> dict[str, dict[tuple[str, str], float]]:
    """Means of (method, pair of views, value), by method and pair."""
    found: dict[str, dict[tuple[str, str], list[float]]] = {}
    for label, pair, value in values:
        found.setdefault(label, {}).setdefault(pair, []).append(value)
    return {label: {p: mean(v) for p, v in pairs.items()} for label, pairs in found.items()}
