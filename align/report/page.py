"""The page of a report: reads the runs, draws the figures, and fills in the template."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from align.config import Split
from align.engine.run_folder import REPORT_NAME, RunFolder
from align.metrics.names import GROUPS, METRIC_TITLES
from align.report.attention import token_pictures
from align.report.curves import learning_curves
from align.report.distance_matrices import distance_matrices
from align.report.embedding_map import draw_maps, embedding_maps
from align.report.episode import Example, load_example
from align.report.header import collapsed, facts, finding
from align.report.html import data_uri, inline_svg, render_template, write_page
from align.report.model_pictures import recovered
from align.report.style import method_colours
from align.report.video import encode_video, poster, video_layout, video_speed
from align.report.view_pairs import (
    confusion_heat_map,
    confusion_table,
    pair_errors,
    phase_heat_map,
    run_confusions,
    view_pair_heat_map,
)
from align.report.viewer import episode_page
from align.results.cells import CHANCE_NOTE, NO_VALUE_NOTE, SPREAD_NOTE, group_table
from align.results.chance import chance_of, reference_rows
from align.results.labels import options_that_differ
from align.results.processors import not_compared
from align.results.runs import Run, load_runs, train_command
from align.results.summary import BASELINE, SummaryRow, summary_table, write_summary
from align.results.text import format_change, format_spread, with_arrow
from align.stored.data import find_measured_data
from datasets.command import command_line
from datasets.episodes import EpisodeDataset
from datasets.storage.atomic import require_writable

SUMMARY_NAME = "summary.csv"


def write_report(
    folders: Sequence[Path | str],
    out: Path | str | None = None,
    split: Split = "test",
    episode: str | None = None,
    view: str | None = None,
    skeleton: bool = False,
    evaluation: str | None = None,
    data: Path | str | None = None,
) -> Path:
    """Writes the page and `summary.csv` beside it.

    Args:
        folders: Runs that `align.evaluate` has measured on `split`.
        out: The page; by default in the run's folder, or in the folder that several share.
        split: Split whose evaluations are shown.
        episode: Episode to show in detail; by default the first of the split.
        view: Third-person view that is compared with the first-person one there.
        skeleton: Whether to draw the skeleton on its frames.
        evaluation: Name of other evaluations than those of the runs' own data set, protocol and
            best checkpoint, see `align.evaluate`; becomes part of the files' names.
        data: Where the measured data set lies now; by default where it was measured.

    Returns:
        The page.

    Raises:
        DataError: When a run is not measured, runs cannot be compared, or their data set is
            missing.
    """
    own = list(dict.fromkeys(map(Path, folders)))
    suffix = f"_{evaluation}" if evaluation else ""
    page, summary = (_with_suffix(name, suffix) for name in (REPORT_NAME, SUMMARY_NAME))
    out = default_path(own).with_name(page) if out is None else Path(out)
    require_writable(out)
    runs = load_runs(own, evaluation or split)
    shown = _open_data(runs[0], None if data is None else Path(data))
    example = load_example(runs, shown, episode, view, skeleton)
    rows = summary_of(runs)
    write_page(out, render(runs, rows, shown, example))
    write_summary(out.with_name(summary), rows)
    return out


def _with_suffix(name: str, suffix: str) -> str:
    return f"{Path(name).stem}{suffix}{Path(name).suffix}"


def default_path(folders: Sequence[Path]) -> Path:
    """The page's path in the run's own folder, or in the folder that several runs share."""
    if len(folders) == 1:
        return RunFolder(folders[0]).report
    # Absolute, because `a` and `../b` have no folder in common as they are written.
    common = Path(os.path.commonpath([folder.absolute().parent for folder in folders]))
    here = Path.cwd()
    return (common.relative_to(here) if common.is_relative_to(here) else common) / REPORT_NAME


def summary_of(runs: Sequence[Run]) -> list[SummaryRow]:
    """The table of a comparison: a row for each label."""
    return summary_table([run.evaluation for run in runs], [run.label for run in runs])


def _open_data(run: Run, data: Path | None) -> EpisodeDataset:
    measured = run.evaluation
    root = find_measured_data(run.folder, measured.data, measured.identity, data)
    return EpisodeDataset(root, measured.split)


def render(
    runs: Sequence[Run], rows: Sequence[SummaryRow], data: EpisodeDataset, example: Example
) -> str:
    """The page as HTML."""
    colours = method_colours([row.label for row in rows])
    phase_map = phase_heat_map(runs)
    confused = run_confusions(example.runs, data)
    layout = video_layout(example)
    alone = not_compared([row.label for row in rows], BASELINE, "align.evaluate")
    values = {
        "runs": runs,
        "rows": rows,
        "colours": colours,
        "finding": finding(rows),
        "facts": facts(runs, data),
        "collapsed": collapsed(runs),
        "differing": options_that_differ([run.config for run in runs]),
        "commands": {run.folder: train_command(run.config) for run in runs},
        "titles": {name: with_arrow(name, title) for name, title in METRIC_TITLES.items()},
        "anchors": reference_rows(data.lengths),
        "notes": (SPREAD_NOTE, CHANCE_NOTE, NO_VALUE_NOTE, *alone),
        "baseline": BASELINE if any(row.change is not None for row in rows) else None,
        "split": data.split,
        "groups": _other_groups(rows, data),
        "phase_map": phase_map and inline_svg(phase_map),
        "confusions": {
            kind: inline_svg(confusion_heat_map(of_kind, data.meta.phases))
            for kind, of_kind in (confused or {}).items()
        },
        "phase_errors": confused and confusion_table(confused, data.meta.phases),
        "embedding_maps": inline_svg(draw_maps(embedding_maps(example))),
        "tokens": token_pictures(example, data),
        "example": example,
        "recovered": recovered(example, data),
        "video_speed": video_speed(example),
        "curves": inline_svg(learning_curves(runs, colours)),
        "heat_map": inline_svg(view_pair_heat_map(pair_errors(runs))),
        "matrices": inline_svg(distance_matrices(example, colours)),
        "matrices_in_motion": inline_svg(distance_matrices(example.in_motion(), colours)),
        "video": data_uri("video/mp4", encode_video(example, colours)),
        "poster": data_uri("image/jpeg", poster(example, colours)),
        "episode_page": episode_page(example, data),
        "view_command": _view_command(example, data),
        "video_size": (layout.width, layout.height),
        "now": datetime.now(),
    }
    return render_template("report.html.j2", values, spread=format_spread, change=format_change)


def _view_command(example: Example, data: EpisodeDataset) -> str:
    """The command that shows the example's episode frame by frame, with the same runs."""
    runs = [str(run.folder) for run in example.runs.values()]
    where = ["--data", str(data.root), "--split", data.split or "test"]
    return command_line("align.view", [*runs, *where, "--episode", example.episode])


def _other_groups(rows: Sequence[SummaryRow], data: EpisodeDataset) -> list:
    """The groups of metrics that are not in the first table, with the cells of their tables."""
    chance = chance_of(data)
    tables = [
        (group, group_table(group, rows, chance))
        for group in GROUPS
        if group.metrics is not METRIC_TITLES
    ]
    return [(group, lines) for group, lines in tables if lines]
