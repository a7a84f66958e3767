"""One self-contained HTML page that compares runs of action recognition."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from action.evaluation import ActionEvaluation
from action.results import BASELINE, NOTE, ActionRun, result_rows, setting, table
from action.retrieve import RETRIEVAL_FOLDER
from align.report.style import STYLE, WIDTH, draw_curves, method_colours, to_svg
from align.results.text import format_spread
from datasets.storage.atomic import atomic_path

REPORT_NAME = "report.html"


def write_report(runs: Sequence[ActionRun], out: Path) -> Path:
    """Writes the page.

    Args:
        runs: Measured on the same protocols, at least one.
        out: The page.
    """
    environment = Environment(
        # The pages of `align` have the same style.
        loader=ChoiceLoader([PackageLoader("action"), PackageLoader("align.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    colours = method_colours([run.label for run in runs])
    with atomic_path(out) as temporary:
        temporary.write_text(
            environment.get_template("report.html.j2").render(
                table=table(result_rows(runs)),
                setting=setting(runs),
                note=NOTE,
                finding=finding(runs),
                curves=Markup(to_svg(learning_curves(runs, colours))),  # drawn here: safe as it is
                classes=[
                    (protocol, Markup(to_svg(recall_bars(runs, protocol, colours))))
                    for protocol in runs[0].evaluations
                ],
                confusions=_confusions(runs),
                retrievals=retrieval_table(runs),
                pictures=_retrieval_pictures(runs),
                folders=[(run.label, run.config.seed, str(run.folder)) for run in runs],
            ),
            encoding="utf-8",
        )
    return out


def finding(runs: Sequence[ActionRun]) -> str:
    """What came out, in one sentence for each protocol."""
    told = []
    for protocol in runs[0].evaluations:
        rows = [row for row in result_rows(runs) if row.protocol == protocol]
        best = max(rows, key=lambda row: row.mean["top1"])
        text = f"{protocol}: {best.method} recognises most, {best.mean['top1']:.1f} %"
        if best.gain is not None:
            text += f", {best.gain} points against the {BASELINE}"
            text += " (not told apart)" if best.gain.low <= 0 <= best.gain.high else ""
        told.append(f"{text}.")
    return " ".join(told)


@matplotlib.rc_context(STYLE)
def learning_curves(runs: Sequence[ActionRun], colours: dict[str, str]) -> Figure:
    """Training loss and validation accuracy: a thin line a run, a thick one a method's mean."""
    figure = Figure(figsize=(WIDTH, 3.5), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    draw_curves(loss, runs, "train/recognition", colours)
    draw_curves(accuracy, runs, "valid/top1", colours)
    loss.set_title("Training loss (cross-entropy)", loc="left")
    accuracy.set_title("Validation top-1", loc="left")
    accuracy.set_ylim(0, 1)
    handles = [
        Line2D([], [], color=colour, linewidth=2.4, label=name) for name, colour in colours.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


@matplotlib.rc_context(STYLE)
def recall_bars(runs: Sequence[ActionRun], protocol: str, colours: dict[str, str]) -> Figure:
    """Share of each class's test clips that each method recognises, the mean over seeds."""
    names = sorted({name for run in runs for name in run.evaluations[protocol].recall})
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(colours)
    for place, (label, colour) in enumerate(colours.items()):
        own = [run.evaluations[protocol].recall for run in runs if run.label == label]
        means = [np.mean([recall.get(name, 0.0) for recall in own]) for name in names]
        offsets = np.arange(len(names)) - 0.4 + width * (place + 0.5)
        axes.bar(offsets, means, width, color=colour, label=label)
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
    axes.set_ylim(0, 1)
    axes.set_title(f"{protocol}: recall of each class", loc="left")
    return figure


def typical(runs: Sequence[ActionRun], label: str, protocol: str) -> ActionEvaluation:
    """Of a method's runs the one with the median top-1 (the lower of two)."""
    own = [run.evaluations[protocol] for run in runs if run.label == label]
    return sorted(own, key=lambda evaluation: evaluation.metrics["top1"])[(len(own) - 1) // 2]


def _confusions(runs: Sequence[ActionRun]) -> list[tuple[str, list[tuple[str, str]]]]:
    """By protocol, each method's picture by its typical run."""
    labels = list(dict.fromkeys(run.label for run in runs))
    found = []
    for protocol in runs[0].evaluations:
        pictures = []
        for label in labels:
            run = typical(runs, label, protocol).run
            pictures.append((label, _embedded(run / "evaluation" / f"{protocol}_test.png")))
        found.append((protocol, pictures))
    return found


def retrieval_table(runs: Sequence[ActionRun]) -> list[list[str]]:
    """Header and a row a search and method, mean and spread over seeds; empty without searches."""
    values: dict[tuple[str, str], dict[str, list[float]]] = {}
    for run in runs:
        for path in sorted((run.folder / RETRIEVAL_FOLDER).glob("*.json")):
            metrics = values.setdefault((path.stem.replace("_", " "), run.label), {})
            for name, value in json.loads(path.read_bytes())["metrics"].items():
                metrics.setdefault(name, []).append(100 * value)
    if not values:
        return []
    names = list(next(iter(values.values())))
    lines = [
        [search, label, *(_spread(metrics[name]) for name in names)]
        for (search, label), metrics in sorted(values.items(), key=lambda item: item[0][0])
    ]
    return [["search", "method", *names], *lines]


def _spread(values: Sequence[float]) -> str:
    std = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return format_spread(float(np.mean(values)), std, digits=1)


def _retrieval_pictures(runs: Sequence[ActionRun]) -> list[tuple[str, str]]:
    """Of each search, what the first run of the last method found."""
    last = next(run for run in reversed(runs) if run.config.seed == runs[0].config.seed)
    return [
        (f"{last.label}, {path.stem.replace('_', ' ')}", _embedded(path))
        for path in sorted((last.folder / RETRIEVAL_FOLDER).glob("*.png"))
    ]


def _embedded(picture: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"
