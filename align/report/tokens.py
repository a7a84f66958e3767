"""Figures of tokens: the panels of the paper's Figures 7 and 10, and where attention looks."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from align.probe import (
    AttentionMaps,
    FeatureAnalysis,
    analysis_path,
    attention_path,
    bin_names,
    load_analysis,
    load_maps,
)
from align.report.episode import Example
from align.report.style import STYLE, WIDTH, method_colours, to_svg
from align.results.runs import Run
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError
from datasets.storage.atomic import atomic_path


def draw_analyses(
    results: Mapping[Path, tuple[FeatureAnalysis, tuple[str, ...]]],
    methods: Mapping[Path, str],
    path: Path,
) -> None:
    """Draws runs into one figure, labelled by their methods where these differ.

    Args:
        results: Run to what was measured, and the names of its keypoints.
        methods: Run to its method.
        path: Where to.

    Raises:
        DataError: When the runs are of different skeletons.
    """
    skeletons = {keypoints for _, keypoints in results.values()}
    if len(skeletons) != 1:
        raise DataError("the runs are of data sets with different keypoints; draw them apart.")
    named = len(set(methods.values())) == len(methods)
    labels = {run: methods[run] if named else run.name for run in results}
    draw_analysis({labels[run]: r for run, (r, _) in results.items()}, skeletons.pop(), path)


def draw_analysis(
    results: Mapping[str, FeatureAnalysis], keypoints: Sequence[str], path: Path
) -> None:
    """Writes a PNG of the four panels of `analysis_panels`."""
    with atomic_path(path) as temporary:
        analysis_panels(results, keypoints).savefig(temporary, format="png", dpi=120)


@matplotlib.rc_context(STYLE)
def analysis_panels(results: Mapping[str, FeatureAnalysis], keypoints: Sequence[str]) -> Figure:
    """Four panels, a colour for each model.

    Args:
        results: Label to what was measured.
        keypoints: Names of the keypoints, those of all models.
    """
    colours = method_colours(list(results))
    figure = Figure(figsize=(WIDTH, 8), layout="constrained")
    (pose, ffn), (separate, attention) = figure.subplots(2, 2)
    for label, result in results.items():
        style = {"color": colours[label], "label": label, "marker": "o", "markersize": 3}
        layers = range(1, len(result.pose_distance) + 1)
        pose.plot(layers, result.pose_distance, **style)
        ffn.plot(layers, result.ffn_distance, **style)
    _keypoint_bars(separate, results, keypoints, colours)
    _attention_bars(attention, results, colours)
    for axes, title in (
        (pose, "(a) between pose tokens and other patches"),
        (ffn, "(b) of a token before and after the FFN"),
        (separate, "(c) between a keypoint's tokens and other keypoints', last layer"),
    ):
        axes.set_title(title, fontsize=10)
        axes.set_ylabel("distance (1 - cosine)")
    for axes in (pose, ffn):
        axes.set_xlabel("layer")
        axes.xaxis.get_major_locator().set_params(integer=True)
    pose.legend(fontsize=8)
    return figure


def _keypoint_bars(
    axes: Axes,
    results: Mapping[str, FeatureAnalysis],
    keypoints: Sequence[str],
    colours: Mapping[str, str],
) -> None:
    width = 0.8 / len(results)
    places = np.arange(len(keypoints))
    for i, (label, result) in enumerate(results.items()):
        axes.bar(places + i * width, result.keypoint_distance[-1], width, color=colours[label])
    axes.set_xticks(places + 0.4 - width / 2, keypoints, rotation=90, fontsize=7)


def _attention_bars(
    axes: Axes, results: Mapping[str, FeatureAnalysis], colours: Mapping[str, str]
) -> None:
    """Bars for the first, the middle and the last layer; a group for each bin."""
    bins, width = bin_names(), 0.8 / len(results) / 3
    for i, (label, result) in enumerate(results.items()):
        depth = len(result.attention)
        for j, layer in enumerate((0, depth // 2, depth - 1)):
            at = np.arange(len(bins)) + (3 * i + j) * width
            shares = 100 * np.array(result.attention[layer])
            axes.bar(at, shares, width, color=colours[label], alpha=(0.4, 0.7, 1.0)[j])
    axes.set_xticks(np.arange(len(bins)) + 0.4 - width / 2, bins, fontsize=8)
    axes.set_xlabel("attention weight; first, middle and last layer, ever darker")
    axes.set_ylabel("% of weights")
    axes.set_title("(d) attention", fontsize=10)


@matplotlib.rc_context(STYLE)
def draw_attention(maps: Mapping[str, AttentionMaps], data: EpisodeDataset) -> Figure:
    """Frames of each view, and below them what each method attends to, on one scale.

    Args:
        maps: Method to its maps, all of the same episode and moments.
        data: That episode's data set.
    """
    first = next(iter(maps.values()))
    episode, times = data.names.index(first.episode), np.array(first.times)
    lines = len(first.views) * (1 + len(maps))
    height, gap = 0.82 * WIDTH / len(times) * lines, 0.15
    figure = Figure(figsize=(WIDTH, height * (1 + gap) + 0.3))
    top = 1 - 0.3 / figure.get_figheight()
    figure.subplots_adjust(left=0.1, right=0.92, top=top, bottom=0.01, hspace=gap)
    rows = iter(figure.subplots(lines, 1, squeeze=False)[:, 0])
    everything = [np.ravel(values) for one in maps.values() for values in one.views.values()]
    brightest = float(np.percentile(np.concatenate(everything), 99))
    for view in first.views:
        # The moments side by side as one picture: an axes for each is slow to draw.
        frames = np.concatenate(list(data.images(episode, view, times)), axis=1)
        row = next(rows)
        _draw_row(row, view, frames, len(times))
        width = frames.shape[1] / len(times)
        places = [(i + 0.5) * width for i in range(len(times))]
        row.set_xticks(places, [f"t = {time}" for time in times])
        row.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
        for label, one in maps.items():
            row = next(rows)
            _draw_row(row, textwrap.fill(label, 14), frames, len(times))
            shown = row.imshow(
                np.concatenate(list(map(np.asarray, one.views[view])), axis=1),
                cmap="inferno",
                vmin=0,
                vmax=brightest,
                alpha=0.6,
                extent=(-0.5, frames.shape[1] - 0.5, frames.shape[0] - 0.5, -0.5),
            )
    bar = figure.add_axes((0.935, 0.3, 0.012, 0.4))
    figure.colorbar(shown, cax=bar, label="attention (1: equal shares)")
    return figure


def _draw_row(row: Axes, label: str, frames: np.ndarray, count: int) -> None:
    row.imshow(frames)
    row.set(xticks=[], yticks=[])
    row.set_ylabel(label, rotation=0, ha="right", va="center")
    row.spines[:].set_visible(False)
    for i in range(1, count):
        row.axvline(i * frames.shape[1] / count - 0.5, color="white", linewidth=3)


@dataclass(frozen=True)
class TokenPictures:
    """What the tokens of analysed runs tell of the pose, and where these runs look.

    Attributes:
        panels: The panels of the paper's Figures 7 and 10.
        attention: Attention on frames of one episode.
        episode: Its name.
        missing: Typical runs that `align.analyze` could add.
    """

    panels: Markup
    attention: Markup
    episode: str
    missing: Sequence[Path]


def token_pictures(example: Example, data: EpisodeDataset) -> TokenPictures | None:
    """Of each method's typical run that has been analysed; None where none has been.

    Nor where runs were measured in another way than by default, of which nothing is analysed.
    """
    evaluation = next(iter(example.runs.values())).evaluation
    split = evaluation.split
    if evaluation.name not in ("", split):
        return None
    known = {label: run.folder for label, run in example.runs.items() if _analysed(run, split)}
    if not known:
        return None
    analyses = {
        label: load_analysis(analysis_path(folder, split)) for label, folder in known.items()
    }
    maps = {label: load_maps(attention_path(folder, split)) for label, folder in known.items()}
    missing = [
        run.folder
        for label, run in example.runs.items()
        if label not in known and run.config.parts.encoder == "vit"
    ]
    return TokenPictures(
        Markup(to_svg(analysis_panels(analyses, data.skeleton.keypoints))),
        Markup(to_svg(draw_attention(maps, data))),
        next(iter(maps.values())).episode,
        missing,
    )


def _analysed(run: Run, split: str) -> bool:
    """Whether an analysis is there, of the checkpoint as it is now."""
    paths = [analysis_path(run.folder, split), attention_path(run.folder, split)]
    if not all(path.exists() for path in paths):
        return False
    trained = run.folder / "checkpoints" / "best.safetensors"
    return not trained.exists() or trained.stat().st_mtime <= paths[0].stat().st_mtime
