"""Heat maps over pairs of views and of phases: alignment errors, and phases that are confused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from align.metrics.confusions import PhaseConfusion, phase_confusions
from align.report.style import STYLE, WIDTH, wrapped_title
from align.results.cells import APART
from align.results.runs import Run
from align.results.statistics import mean
from datasets.episodes import EpisodeDataset

ByPair = Mapping[tuple[str, str], float]


def pair_errors(runs: Sequence[Run]) -> dict[str, dict[tuple[str, str], float]]:
    """Label to pair of views to alignment error, mean over episodes and seeds."""
    return _pair_means(
        (run.label, (pair.view1, pair.view2), pair.metrics["alignment_error"])
        for run in runs
        for pair in run.evaluation.pairs
    )


def pair_phase_scores(runs: Sequence[Run]) -> dict[str, dict[tuple[str, str], float]]:
    """Label to (learned view, tested view) to phase F1, mean over seeds."""
    return _pair_means(
        (run.label, (result.learned_view, result.asked_view), result.metrics["phase_f1"])
        for run in runs
        for result in run.evaluation.phases
    )


def _pair_means(
    values: Iterable[tuple[str, tuple[str, str], float]],
) -> dict[str, dict[tuple[str, str], float]]:
    found: dict[str, dict[tuple[str, str], list[float]]] = {}
    for label, pair, value in values:
        found.setdefault(label, {}).setdefault(pair, []).append(value)
    return {label: {p: mean(v) for p, v in pairs.items()} for label, pairs in found.items()}


def phase_heat_map(runs: Sequence[Run]) -> Figure | None:
    """Phase F1 from each view to each other; None where some method has no phase metrics."""
    scores = pair_phase_scores(runs)
    if len(scores) < len({run.label for run in runs}):
        return None
    axes = ("learned in", "tested in")
    return view_pair_heat_map(scores, "phase F1", axes, higher_is_better=True)


def run_confusions(
    runs: Mapping[str, Run], data: EpisodeDataset
) -> dict[str, dict[str, PhaseConfusion]] | None:
    """Kind of pairs of views to label to the confusion of phases of its run.

    None where the episodes have a single phase.

    Args:
        runs: Label to a run that was measured on `data`.
        data: The measured episodes.
    """
    phases = {name: data.phases(i) for i, name in enumerate(data.names)}
    if len(np.unique(np.concatenate(list(phases.values())))) < 2:
        return None
    found: dict[str, dict[str, PhaseConfusion]] = {}
    for label, run in runs.items():
        embedded = run.evaluation.embeddings().items()
        episodes = ((views, phases[name]) for name, views in embedded)
        for kind, each in phase_confusions(episodes, len(data.meta.phases)).items():
            found.setdefault(APART.metrics[kind], {})[label] = each
    return found


def confusion_heat_map(found: Mapping[str, PhaseConfusion], names: Sequence[str]) -> Figure:
    """Shares of the frames of each phase whose nearest frame is of another one, or of its own."""
    shares = {
        label: {
            (names[row], names[column]): each.counts[row, column] / each.frames[row]
            for row, column in product(each.seen, each.seen)
        }
        for label, each in found.items()
    }
    kept = {label: each.kept for label, each in found.items()}
    axes = ("phase of the frame", "phase of the picked frame")
    return view_pair_heat_map(shares, "share of frames", axes, higher_is_better=True, totals=kept)


def confusion_table(
    found: Mapping[str, Mapping[str, PhaseConfusion]], names: Sequence[str]
) -> list[tuple[str, ...]]:
    """The mean alignment error of the frames of each phase, with their share of all frames."""
    rows = [(label, kind, each) for kind, runs in found.items() for label, each in runs.items()]
    first = rows[0][2]
    shares = first.frames / first.frames.sum()
    heads = [f"error in {names[k]} ({shares[k]:.0%}) ↓" for k in first.seen]
    lines = [
        (label, kind, *(f"{each.errors[k]:.3f}" for k in each.seen)) for label, kind, each in rows
    ]
    return [("method", "pairs of views", *heads), *lines]


@matplotlib.rc_context(STYLE)
def view_pair_heat_map(
    values: Mapping[str, ByPair],
    metric: str = "alignment error",
    roles: tuple[str, str] = ("query view", "searched view"),
    higher_is_better: bool = False,
    totals: Mapping[str, float] | None = None,
) -> Figure:
    """A metric of each pair of views, a panel for each method, on one scale where dark is good.

    Args:
        values: Label to pair of views, or of phases, to the mean of the metric.
        metric: Name of the metric.
        roles: Roles of a pair's first and second view.
        higher_is_better: Whether dark is for high values.
        totals: Label to the number after it; the mean over all pairs by default.
    """
    pairs = list(next(iter(values.values())))
    rows, columns = (list(dict.fromkeys(pair[side] for pair in pairs)) for side in (0, 1))
    top = max(max(of_pairs.values()) for of_pairs in values.values()) or 1
    most = 4 if len(rows) <= 4 else 3 if len(rows) <= 6 else 2 if len(rows) <= 10 else 1
    per_row = min(len(values), most)
    lines = -(-len(values) // per_row)
    side = min((WIDTH - 1.6) / per_row, 3.6 if len(rows) <= 6 else 8, 0.9 * len(rows) + 0.9)
    sums = totals or {label: mean(of_pairs.values()) for label, of_pairs in values.items()}
    titles = [wrapped_title(label, f"{sums[label]:.3f}", side) for label in values]
    # Names of rows and columns, turned, and a line of the title are 0.9 and 0.2 inches high.
    around = 0.9 + 0.2 * max(title.count("\n") + 1 for title in titles)
    size = side * per_row + 1.3, (side * len(rows) / len(columns) + around) * lines + 1.0
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(lines, per_row, squeeze=False)
    for axes in grid.flat[len(values) :]:
        axes.set_axis_off()
    for axes, title, of_pairs in zip(grid.flat, titles, values.values(), strict=False):
        table = _as_array(of_pairs, rows, columns)
        shades = "cividis_r" if higher_is_better else "cividis"
        mesh = axes.imshow(table, cmap=shades, vmin=0, vmax=top, interpolation="none")
        _write_values(axes, table, top, higher_is_better)
        axes.set_title(title, loc="left")
        _name_views(axes, rows, columns, roles)
    # On top: beside the panels it would be as tall as all their rows.
    figure.colorbar(
        mesh,
        ax=grid,
        label=metric,
        location="top",
        aspect=40,
        ticks=MaxNLocator(max(2, int(size[0]))),  # a number is 0.6 inches wide
        fraction=0.3 / size[1],
        pad=0.15 / size[1],
    )
    return figure


def _as_array(values: ByPair, rows: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    table = np.full((len(rows), len(columns)), np.nan)
    for (first, second), value in values.items():
        table[rows.index(first), columns.index(second)] = value
    return table


def _name_views(
    axes: Axes, rows: Sequence[str], columns: Sequence[str], roles: tuple[str, str]
) -> None:
    place = axes.get_subplotspec()
    first = place is not None and place.is_first_col()
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows if first else [""] * len(rows))
    axes.set_xlabel(roles[1])
    axes.set_ylabel(roles[0] if first else "")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _write_values(axes: Axes, table: np.ndarray, top: float, dark_is_high: bool) -> None:
    many = len(table) > 6
    for row, column in np.argwhere(np.isfinite(table)):
        value = table[row, column]
        # Cividis is dark in its lower half, reversed in its upper one.
        colour = "white" if (value < 0.5 * top) != dark_is_high else "black"
        text = f"{value:.2f}".removeprefix("0") if many else f"{value:.3f}"
        axes.text(
            column, row, text, ha="center", va="center", color=colour, fontsize=7.5 if many else 8.5
        )
