"""The table and the figure of pre-training: accuracy by method and start (paper Figure 8)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from action.comparing.pretraining import STARTS
from action.results import ActionRun
from align.report.style import STYLE, WIDTH, light_grid, method_colours, save_png
from align.results.labels import variant_of
from align.results.statistics import mean, std
from align.results.text import NO_VALUE, markdown, spread
from datasets.storage.atomic import atomic_path

METRIC = "mean_class_accuracy"
NOTE = (
    "Mean class accuracy in percent ↑, mean ± sample standard deviation over seeds; with one seed "
    f"the mean alone. A dash ({NO_VALUE}): the baseline has no modules, or there is no run yet. "
    "The paper's Figure 8 pre-trains on Kinetics-400 without poses, so that PAAB attends to all "
    "patches, and fine-tunes on Smarthome CS: PAAB 71.42 with fresh modules and 69.98 pre-trained "
    "in place, PAAT 72.54 and 72.25. Here, pre-training has poses."
)


def write_pretraining(out: Path, runs: Sequence[ActionRun]) -> list[Path]:
    """Writes `pretraining_<protocol>.md` and `.png` for each protocol, and returns their paths.

    Args:
        out: The folder to write into.
        runs: Measured runs, at least one; those of other variants than the starts are left out.
    """
    written = []
    for protocol in runs[0].evaluations:
        values = accuracies(runs, protocol)
        table, picture = (out / f"pretraining_{protocol}{end}" for end in (".md", ".png"))
        with atomic_path(table) as temporary:
            temporary.write_text(f"{as_markdown(values)}\n\n{NOTE}\n", encoding="utf-8")
        save_png(pretraining_figure(values, protocol), picture)
        written += [table, picture]
    return written


def accuracies(runs: Sequence[ActionRun], protocol: str) -> dict[str, dict[str, list[float]]]:
    """Method to start, by its variant, to the mean class accuracy of each run in percent."""
    values: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        if (variant := variant_of(run.config)) in STARTS:
            method = values.setdefault(run.config.method, {})
            found = run.evaluations[protocol].metrics[METRIC]
            method.setdefault(variant, []).append(100 * found)
    return values


def as_markdown(values: dict[str, dict[str, list[float]]]) -> str:
    """A row for each method and a column for each start."""
    rows = [
        [method, *(spread(starts[v], digits=1) if v in starts else NO_VALUE for v in STARTS)]
        for method, starts in values.items()
    ]
    return markdown(["method", *STARTS.values()], rows)


@matplotlib.rc_context(STYLE)
def pretraining_figure(values: dict[str, dict[str, list[float]]], protocol: str) -> Figure:
    """Mean and spread over seeds by start, a colour for each method and a dot for each run."""
    figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
    axes, colours = figure.subplots(), method_colours(list(values))
    for i, (method, starts) in enumerate(values.items()):
        # Side by side, so that bars do not hide each other.
        shift = 0.1 * (i - (len(values) - 1) / 2)
        for place, variant in enumerate(STARTS):
            if found := starts.get(variant):
                bar = float(np.nan_to_num(std(found)))
                x, colour = place + shift, colours[method]
                axes.errorbar(x, mean(found), bar, color=colour, marker="o", capsize=3)
                axes.plot([x] * len(found), found, ".", color=colour)
        axes.plot([], [], "o", color=colours[method], label=method)
    axes.set_xticks(range(len(STARTS)), list(STARTS.values()))
    axes.set_xlim(-0.5, len(STARTS) - 0.5)
    axes.set_ylabel("mean class accuracy (%)")
    axes.set_title(f"{protocol}: accuracy by what fine-tuning starts from", loc="left")
    light_grid(axes, "y")
    figure.legend(loc="outside lower center", ncols=max(1, len(values)))
    return figure
