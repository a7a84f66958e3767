"""The figure of a feature analysis: the panels of the paper's Figures 7 and 10."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from align.analysis import FeatureAnalysis, bin_names
from align.figures import STYLE, WIDTH, method_colours
from datasets.atomic import atomic_path
from datasets.errors import DataError


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
