"""Builds the page of a report: its sections, pictures and text, in one HTML file."""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from align.evaluate import Split
from align.metrics.alignment import METRICS
from align.metrics.names import GROUPS, METRIC_TITLES
from align.report.camera_gap import camera_gaps
from align.report.embedding_map import draw_maps, embedding_maps
from align.report.episode import Example, load_example
from align.report.figures import (
    distance_matrices,
    learning_curves,
    pair_errors,
    phase_heat_map,
    view_pair_heat_map,
)
from align.report.model_pictures import recovered
from align.report.style import method_colours, to_svg
from align.report.tokens import token_pictures
from align.report.video import SLOW_DOWN, contact_strip, encode_video, poster, video_layout
from align.results.runs import Run, load_runs, options_that_differ, train_command
from align.results.summary import (
    BASELINE,
    SummaryRow,
    group_table,
    summary_table,
    write_summary,
)
from align.results.text import format_change, format_spread, mean
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError
from datasets.storage.atomic import atomic_path
from datasets.storage.meta import META_NAME

log = logging.getLogger(__name__)

REPORT_NAME, SUMMARY_NAME = "report.html", "summary.csv"


def write_report(
    folders: Sequence[Path],
    out: Path | None = None,
    split: Split = "test",
    episode: str | None = None,
    view: str | None = None,
    skeleton: bool = False,
    evaluation: str | None = None,
) -> Path:
    """Writes the page and `summary.csv` beside it.

    Args:
        folders: Runs that `align.evaluate` has measured on `split`.
        out: The page; by default in the run's folder, or in the folder that several share.
        split: Which measurements.
        episode: Shown in detail; the first of the split by default.
        view: The third-person view that is compared with the first-person one there.
        skeleton: Whether to draw the skeleton on its frames.
        evaluation: Name of other measurements than those of the runs' own data set, protocol and
            best checkpoint, see `align.evaluate`; becomes part of the files' names.

    Returns:
        The page.

    Raises:
        DataError: When a run is not measured, runs do not compare, or the data set is not there.
    """
    folders = list(dict.fromkeys(folders))
    runs = load_runs(folders, evaluation or split)
    data = _open_data(runs[0])
    example = load_example(runs, data, episode, view, skeleton)
    rows = summary_of(runs)
    suffix = f"_{evaluation}" if evaluation else ""
    page, summary = (_with_suffix(name, suffix) for name in (REPORT_NAME, SUMMARY_NAME))
    out = default_path(folders).with_name(page) if out is None else out
    with atomic_path(out) as temporary:
        temporary.write_text(render(runs, rows, data, example), encoding="utf-8")
    write_summary(out.with_name(summary), rows)
    return out


def _with_suffix(name: str, suffix: str) -> str:
    return f"{Path(name).stem}{suffix}{Path(name).suffix}"


def default_path(folders: Sequence[Path]) -> Path:
    """The run's own folder, or the one that several runs have in common."""
    if len(folders) == 1:
        return folders[0] / REPORT_NAME
    # Absolute, since `a` and `../b` have nothing in common as they stand.
    common = Path(os.path.commonpath([folder.absolute().parent for folder in folders]))
    here = Path.cwd()
    return (common.relative_to(here) if common.is_relative_to(here) else common) / REPORT_NAME


def summary_of(runs: Sequence[Run]) -> list[SummaryRow]:
    """The table of a comparison."""
    return summary_table([run.evaluation for run in runs], [run.label for run in runs])


def _open_data(run: Run) -> EpisodeDataset:
    root = run.evaluation.data
    if not (root / META_NAME).exists():
        raise DataError(
            f"{root}, the data set that {run.folder} was measured on, is not there; the report "
            "shows its pictures. Put it back, or run from the folder that it is named from."
        )
    return EpisodeDataset(root, run.evaluation.split)


def render(
    runs: Sequence[Run], rows: Sequence[SummaryRow], data: EpisodeDataset, example: Example
) -> str:
    """The page as HTML."""
    colours = method_colours([row.label for row in rows])
    environment = Environment(
        loader=PackageLoader("align.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {"spread": format_spread, "change": format_change}
    layout = video_layout(example)
    return environment.get_template("report.html.j2").render(
        runs=runs,
        rows=rows,
        colours=colours,
        finding=finding(rows),
        facts=facts(runs, data),
        differing=options_that_differ(runs),
        commands={run.folder: train_command(run.config) for run in runs},
        metrics=METRIC_TITLES,
        anchors=anchors(data.lengths),
        baseline=BASELINE if any(row.change is not None for row in rows) else None,
        split=data.split,
        collapsed=collapsed(runs),
        groups=[
            (group, lines)
            for group in GROUPS
            if group.metrics is not METRIC_TITLES
            and (lines := group_table(group, rows, data.lengths))
        ],
        phase_map=phase_heat_map(runs),
        embedding_maps=Markup(to_svg(draw_maps(embedding_maps(example)))),
        tokens=token_pictures(example, data),
        example=example,
        recovered=recovered(example, data),
        slow_down=SLOW_DOWN,
        curves=Markup(to_svg(learning_curves(runs, colours))),
        heat_map=Markup(to_svg(view_pair_heat_map(pair_errors(runs)))),
        matrices=Markup(to_svg(distance_matrices(example, colours))),
        matrices_in_motion=Markup(to_svg(distance_matrices(example.in_motion(), colours))),
        video=data_uri("video/mp4", encode_video(example, colours)),
        poster=data_uri("image/jpeg", poster(example, colours)),
        strip=data_uri("image/png", contact_strip(example, colours)),
        video_size=(layout.width, layout.height),
        now=datetime.now(),
    )


def collapsed(runs: Sequence[Run]) -> dict[str, str]:
    """Run to what is wrong with its embeddings, where they have collapsed."""
    verdicts = {f"{run.label} seed {run.config.seed}": run.evaluation.collapse for run in runs}
    return {
        name: verdict.message for name, verdict in verdicts.items() if verdict and verdict.message
    }


def finding(rows: Sequence[SummaryRow]) -> str:
    """What the table says, in one sentence or two."""
    best = min(rows, key=lambda row: row.mean["alignment_error"])
    error = format_spread(best.mean["alignment_error"], best.std["alignment_error"])
    if len(rows) == 1:
        return f"Alignment error {error}; 0 is perfect, random matching is about 0.333."
    text = f"{best.label} has the lowest alignment error, {error}"
    baseline = next((row for row in rows if row.label == BASELINE), best)
    if baseline is not best and best.change is not None:
        text += f", {abs(best.change):.1f} % below {BASELINE}"
        gap = baseline.mean["alignment_error"] - best.mean["alignment_error"]
        if gap < max(best.std["alignment_error"], baseline.std["alignment_error"]):
            text += ", which is less than the spread over seeds"
    if min(len(row.seeds) for row in rows) < 2:
        text += ". With one seed of a method, a small difference may be chance"
    return text + "."


def facts(runs: Sequence[Run], data: EpisodeDataset) -> dict[str, str]:
    """What was trained on what data, and when."""
    sizes = data.split_sizes()
    pairs = runs[0].evaluation.pairs
    views = list(dict.fromkeys(view for pair in pairs for view in (pair.view1, pair.view2)))
    stored = data.meta.image_size
    seen = sorted({run.config.image_size or stored for run in runs})
    pixels = ", ".join(f"{size}×{size}" for size in seen) + " pixels"
    epochs = sorted({int(run.history[-1]["epoch"]) for run in runs})
    seeds = sorted({run.config.seed for run in runs})
    trained_on = {run.config.training_data for run in runs}
    learned_from = [str(root) for root in trained_on if root.resolve() != data.root.resolve()]
    days = sorted({f"{run.finished:%Y-%m-%d}" for run in runs})
    known = {
        "Task": data.meta.env,
        "Episodes": ", ".join(f"{count} {split}" for split, count in sizes.items()),
        "Views": f"{', '.join(views)} ({data.meta.control_hz:g} frames a second)",
        "Images": pixels + ("" if seen == [stored] else f" (stored at {stored}×{stored})"),
        "Backbone": ", ".join(sorted({run.config.network for run in runs})),
        "Training": f"{_span(epochs)} epochs; {'seeds' if len(seeds) > 1 else 'seed'} "
        + ", ".join(map(str, seeds)),
        "Trained": f"{_span(days)}, {sum(run.hours for run in runs):.1f} hours in all",
        "Learned from": ", ".join(sorted(learned_from)),
        "Nearest camera of training": ", ".join(camera_gaps(runs, data, views)),
        "Measured on": f"{len(data)} {data.split} episodes, {len(pairs)} pairs of views",
        "Data set": str(data.root),
        "Its command": data.meta.command,
    }
    return {name: text for name, text in known.items() if text}


def _span(values: Sequence[Any]) -> str:
    return f"{values[0]}" if len(values) == 1 else f"{values[0]} to {values[-1]}"


def anchors(lengths: Sequence[int]) -> dict[str, dict[str, float]]:
    """What each metric is for a perfect, a random and a collapsed embedding of such episodes."""
    collapsed = mean((length - 1) / (2 * length) for length in lengths)
    values = {
        "perfect": (0.0, 0.0, 1.0, 1.0),
        "random, about": (1 / 3, 1 / 3, 0.0, 0.0),
        "collapsed to a point": (collapsed, collapsed, -1.0, float("nan")),
    }
    return {name: dict(zip(METRICS, row, strict=True)) for name, row in values.items()}


def data_uri(kind: str, content: bytes) -> str:
    """Content as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
