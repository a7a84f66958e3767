"""Figures of tokens by layer: the panels of the paper's Figures 7 and 10."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from align.report.style import (
    STYLE,
    WIDTH,
    colour_legend,
    integer_ticks,
    light_grid,
    method_colours,
    save_png,
)
from align.results.analysis import FeatureAnalysis, bin_names
from datasets.errors import MismatchError

# Opacity of the bars of the first, the middle and the last layer.
_SHADES = (0.4, 0.7, 1.0)
_GROUP_WIDTH = 0.8  # of the distance between two groups of bars


def draw_analyses(
    results: Mapping[Path, tuple[FeatureAnalysis, tuple[str, ...]]],
    methods: Mapping[Path, str],
    path: Path,
) -> None:
    """Writes `analysis_figure` of several runs as a PNG.

    Args:
        results: Run to its analysis and the names of its keypoints.
        methods: Run to its method.
        path: The PNG.

    Raises:
        DataError: When the runs have different skeletons.
    """
    save_png(analysis_figure(results, methods), path)


def analysis_figure(
    results: Mapping[Path, tuple[FeatureAnalysis, tuple[str, ...]]], methods: Mapping[Path, str]
) -> Figure:
    """The panels of several runs, labelled with their methods where these differ.

    Raises:
        DataError: When the runs have different skeletons.
    """
    skeletons = {keypoints for _, keypoints in results.values()}
    if len(skeletons) != 1:
        raise MismatchError("the runs are of data sets with different keypoints; draw them apart.")
    named = len(set(methods.values())) == len(methods)
    labels = {run: methods[run] if named else run.name for run in results}
    return analysis_panels({labels[run]: r for run, (r, _) in results.items()}, skeletons.pop())


@matplotlib.rc_context(STYLE)
def analysis_panels(results: Mapping[str, FeatureAnalysis], keypoints: Sequence[str]) -> Figure:
    """Four panels, a colour for each model.

    Args:
        results: Label to analysis.
        keypoints: Names of the keypoints, the same for all models.
    """
    colours = method_colours(list(results))
    figure = Figure(figsize=(WIDTH, 8.4), layout="constrained")
    (pose, ffn), (separate, attention) = figure.subplots(2, 2)
    for label, result in results.items():
        style = {"color": colours[label], "label": label, "marker": "o", "markersize": 3}
        layers = range(1, len(result.pose_distance) + 1)
        pose.plot(layers, result.pose_distance, **style)
        ffn.plot(layers, result.ffn_distance, **style)
    _keypoint_bars(separate, results, keypoints, colours)
    _attention_bars(attention, results, colours)
    pose.set_title("(a) Distance between pose tokens and other patches", loc="left")
    ffn.set_title("(b) Distance of a token before and after the FFN", loc="left")
    separate.set_title("(c) Distance between tokens of different keypoints, last layer", loc="left")
    attention.set_title("(d) Distribution of attention weights", loc="left")
    for axes in (pose, ffn, separate):
        axes.set_ylabel("distance (1 − cosine)")
    for axes in (pose, ffn):
        axes.set_xlabel("layer")
        integer_ticks(axes)
    for axes in figure.axes:
        light_grid(axes, "y")
    colour_legend(figure, colours)
    return figure


def _keypoint_bars(
    axes: Axes,
    results: Mapping[str, FeatureAnalysis],
    keypoints: Sequence[str],
    colours: Mapping[str, str],
) -> None:
    width = _GROUP_WIDTH / len(results)
    places = np.arange(len(keypoints))
    for i, (label, result) in enumerate(results.items()):
        axes.bar(places + i * width, result.keypoint_distance[-1], width, color=colours[label])
    axes.set_xticks(places + (_GROUP_WIDTH - width) / 2, keypoints, rotation=90, fontsize=8)


def _attention_bars(
    axes: Axes, results: Mapping[str, FeatureAnalysis], colours: Mapping[str, str]
) -> None:
    """Bars of the first, the middle and the last layer; a group for each bin of weights."""
    # In a shallow model some of the three layers coincide.
    shown = {
        label: sorted({0, (depth := len(result.attention)) // 2, depth - 1})
        for label, result in results.items()
    }
    slots = max(map(len, shown.values()))
    bins, width = bin_names(), _GROUP_WIDTH / len(results) / slots
    for i, (label, result) in enumerate(results.items()):
        for j, layer in enumerate(shown[label], start=slots - len(shown[label])):
            places = np.arange(len(bins)) + (slots * i + j) * width
            shares = 100 * np.array(result.attention[layer])
            axes.bar(places, shares, width, color=colours[label], alpha=_SHADES[j - slots])
    axes.set_xticks(np.arange(len(bins)) + (_GROUP_WIDTH - width) / 2, bins, fontsize=8)
    axes.set_xlabel("attention weight (light to dark: first, middle and last layer)")
    axes.set_ylabel("% of weights")
