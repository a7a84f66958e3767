"""One self-contained HTML page that compares runs of action recognition."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from action.comparing.controls import Control
from action.evaluation import ActionEvaluation, evaluation_name, own_metric
from action.results import BASELINE, ActionRun, notes, result_rows, setting, table
from align.engine.run_folder import RunFolder
from align.report.curves import draw_curves
from align.report.html import data_uri, inline_svg, render_template, write_page
from align.report.style import STYLE, WIDTH, colour_legend, light_grid, method_colours
from align.results.chance import RANDOM_LABEL
from align.results.statistics import lower_median
from align.results.text import ARROWS, format_spread, spread, with_arrow

_RETRIEVAL_TITLES = {"map": "mAP"}
METRIC_NAMES = {"top1": "top-1 accuracy", "mean_class_accuracy": "mean class accuracy"}
RETRIEVAL_NOTE = (
    "In percent, mean ± sample standard deviation over seeds; with one seed the mean alone. "
    "recall@k: share of queries with a clip of their class among the k nearest; mAP: mean average "
    "precision. "
    f"{ARROWS} The row “{RANDOM_LABEL}” is chance: the value of a random order when all classes "
    "are equally frequent."
)


def write_report(runs: Sequence[ActionRun], out: Path, controls: Sequence[Control] = ()) -> Path:
    """Writes the page and returns its path.

    Args:
        runs: Runs that were measured on the same protocols, at least one.
        out: The page.
        controls: Controls on these protocols, which the table shows below the methods.
    """
    colours = method_colours([run.label for run in runs])
    values = {
        "table": table(result_rows(runs), controls),
        "colours": colours,
        "setting": setting(runs),
        "note": " ".join(notes(runs, controls)),
        "finding": finding(runs),
        "curves": inline_svg(learning_curves(runs, colours)),
        "classes": [
            (protocol, inline_svg(recall_bars(runs, protocol, colours)))
            for protocol in runs[0].evaluations
        ],
        "confusions": _confusions(runs),
        "retrievals": retrieval_table(runs),
        "retrieval_note": RETRIEVAL_NOTE,
        "pictures": _retrieval_pictures(runs),
        "folders": [(run.label, run.config.seed, str(run.folder)) for run in runs],
    }
    return write_page(out, render_template("report.html.j2", values, package="action"))


def finding(runs: Sequence[ActionRun]) -> str:
    """The main result, in one sentence for each protocol."""
    sentences = []
    rows = result_rows(runs)
    for protocol in runs[0].evaluations:
        own = [row for row in rows if row.protocol == protocol]
        best = max(own, key=lambda row: row.mean[row.metric])
        name, value = METRIC_NAMES[best.metric], best.mean[best.metric]
        alike = [row.method for row in own if row.mean[best.metric] == value]
        if len(alike) > 1:
            sentences.append(
                f"{protocol}: {', '.join(alike)} share the highest {name}, {value:.1f} %."
            )
            continue
        text = f"{protocol}: {best.method} has the highest {name}, {value:.1f} %"
        if best.gain is not None:
            text += f", {best.gain.in_points} against the {BASELINE}"
            if best.gain.low <= 0 <= best.gain.high:
                text += " (not a significant difference)"
        sentences.append(f"{text}.")
    return " ".join(sentences)


@matplotlib.rc_context(STYLE)
def learning_curves(runs: Sequence[ActionRun], colours: Mapping[str, str]) -> Figure:
    """Training loss and validation accuracy: a thin line for each run, a thick mean."""
    figure = Figure(figsize=(WIDTH, 3.5), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    draw_curves(loss, runs, "train/recognition", colours, "loss")
    draw_curves(accuracy, runs, "valid/top1", colours, "top-1 accuracy")
    loss.set_title("Training loss (cross-entropy)", loc="left")
    accuracy.set_title("Validation top-1 accuracy", loc="left")
    accuracy.set_ylim(0, 1.03)
    colour_legend(figure, colours)
    return figure


@matplotlib.rc_context(STYLE)
def recall_bars(runs: Sequence[ActionRun], protocol: str, colours: Mapping[str, str]) -> Figure:
    """Share of each class's test clips that each method recognises, mean over seeds."""
    names = sorted({name for run in runs for name in run.evaluations[protocol].recall})
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(colours)
    for place, (label, colour) in enumerate(colours.items()):
        own = [run.evaluations[protocol].recall for run in runs if run.label == label]
        means = [np.mean([recall.get(name, 0.0) for recall in own]) for name in names]
        offsets = np.arange(len(names)) - 0.4 + width * (place + 0.5)
        axes.bar(offsets, means, width, color=colour, label=label)
    many = len(names) > 30
    axes.set_xticks(
        range(len(names)),
        names,
        rotation=90 if many else 35,
        ha="center" if many else "right",
        fontsize=7 if many else 9,
    )
    axes.margins(x=0.01)
    axes.set_ylim(0, 1)
    axes.set_ylabel("recall")
    axes.set_title(f"{protocol}: recall of each class", loc="left")
    light_grid(axes, "y")
    colour_legend(figure, colours)
    return figure


def typical(runs: Sequence[ActionRun], label: str, protocol: str) -> ActionEvaluation:
    """The evaluation with the median accuracy among a method's runs; the lower one of two."""
    own = [run for run in runs if run.label == label]
    metric = own_metric(own[0].config.data)
    evaluations = [run.evaluations[protocol] for run in own]
    return lower_median(evaluations, key=lambda evaluation: evaluation.metrics[metric])


def _confusions(runs: Sequence[ActionRun]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Each protocol with the confusion matrix of each method's typical run."""
    labels = list(dict.fromkeys(run.label for run in runs))
    found = []
    for protocol in runs[0].evaluations:
        pictures = []
        for label in labels:
            run = RunFolder(typical(runs, label, protocol).run)
            picture = run.confusion(evaluation_name(protocol, "test"))
            pictures.append((label, _embedded(picture)))
        found.append((protocol, pictures))
    return found


def retrieval_table(runs: Sequence[ActionRun]) -> list[list[str]]:
    """The header, a line for each search and method, and chance; empty without searches."""
    values: dict[str, dict[str, dict[str, list[float]]]] = {}
    classes: dict[str, int] = {}
    for run in runs:
        for path in RunFolder(run.folder).retrievals():
            stored, search = json.loads(path.read_bytes()), path.stem.replace("_", " ")
            metrics = values.setdefault(search, {}).setdefault(run.label, {})
            for name, value in stored["metrics"].items():
                metrics.setdefault(name, []).append(100 * value)
            classes[search] = len(stored["classes"])
    if not values:
        return []
    names = list(next(iter(next(iter(values.values())).values())))
    lines = [
        [
            "search",
            "method",
            *(with_arrow(name, _RETRIEVAL_TITLES.get(name, name)) for name in names),
        ]
    ]
    for search, methods in sorted(values.items()):
        for label, metrics in methods.items():
            lines.append([search, label, *(spread(metrics[name], digits=1) for name in names)])
        random = [_retrieval_chance(name, classes[search]) for name in names]
        lines.append([search, RANDOM_LABEL, *(format_spread(v, digits=1) for v in random)])
    return lines


def _retrieval_chance(metric: str, classes: int) -> float:
    """Percent that a random order reaches when all classes are equally frequent."""
    found = int(metric.removeprefix("recall@")) if metric.startswith("recall@") else 1
    return 100 * (1 - (1 - 1 / classes) ** found)


def _retrieval_pictures(runs: Sequence[ActionRun]) -> list[tuple[str, str]]:
    """The pictures of each search, of the last method's run with the first seed."""
    last = next(run for run in reversed(runs) if run.config.seed == runs[0].config.seed)
    return [
        (f"{last.label}, {path.stem.replace('_', ' ')}", _embedded(picture))
        for path in RunFolder(last.folder).retrievals()
        if (picture := path.with_suffix(".png")).exists()
    ]


def _embedded(picture: Path) -> str:
    return data_uri("image/png", picture.read_bytes())
