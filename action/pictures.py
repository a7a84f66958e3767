"""Pictures of recognition and retrieval: confusion matrices, and the clips that a search found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from align.report.style import save_png
from datasets.clips.base import ClipInfo
from datasets.clips.samples import SampleConfig, load_sample

# With more classes than this, numbers in the cells would be too small to read.
MOST_NUMBERED = 32
RIGHT, WRONG, ASKED = "#2a9d4b", "#d1353b", "#555b66"
# One frame from the middle of the clip, cropped to the person.
_SAMPLE = SampleConfig(frames=1, stride=1, size=160, inside=True)


def draw_confusion(
    matrix: Int[np.ndarray, "classes classes"], classes: Sequence[str], path: Path
) -> None:
    """Writes `confusion_figure` as a PNG."""
    save_png(confusion_figure(matrix, classes), path)


def confusion_figure(matrix: Int[np.ndarray, "classes classes"], classes: Sequence[str]) -> Figure:
    """A confusion matrix of the classes that have clips or predictions.

    The colour is the share of a row, which is a true class; numbers count clips.

    Args:
        matrix: Clips by true class (rows) and predicted class (columns).
        classes: Names of the classes.
    """
    present = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
    matrix, names = matrix[np.ix_(present, present)], [classes[i] for i in present]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = max(4.0, 1.8 + 0.34 * len(names))
    figure = Figure(figsize=(side + 0.8, side), layout="compressed")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class")
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    if len(names) <= MOST_NUMBERED:
        for row, column in np.argwhere(matrix):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour)
    return figure


@dataclass(frozen=True)
class Found:
    """A clip in the picture of a search.

    Attributes:
        clip: The clip.
        name: Name of its class.
        colour: Colour of its frame: RIGHT, WRONG or ASKED.
    """

    clip: ClipInfo
    name: str
    colour: str


def draw_retrieval(
    rows: Sequence[Sequence[Found]], title: str, path: Path, trust_pickles: bool = False
) -> None:
    """Writes `retrieval_figure` as a PNG.

    Raises:
        DataError: When a clip's video or skeleton cannot be read.
    """
    save_png(retrieval_figure(rows, title, trust_pickles), path)


def retrieval_figure(
    rows: Sequence[Sequence[Found]], title: str, trust_pickles: bool = False
) -> Figure:
    """A query at the left of each row, then the clips that it found, nearest first.

    Args:
        rows: The query and the found clips of each row.
        title: Title above the rows.
        trust_pickles: Whether NTU's `.skeleton.npy` files may be loaded.

    Raises:
        DataError: When a clip's video or skeleton cannot be read.
    """
    columns = max(map(len, rows))
    size = (1.55 * columns + 0.3, 1.85 * len(rows) + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, fontsize=10)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for row, found in zip(grid, rows, strict=True):
        for axes, item in zip(row, found, strict=False):
            _show(axes, item, trust_pickles)
    for column, axes in enumerate(grid[0]):
        head = "query" if column == 0 else f"{column}"
        axes.text(0.5, 1.2, head, transform=axes.transAxes, ha="center", fontsize=8, color=ASKED)
    return figure


def middle_frame(
    clip: ClipInfo, trust_pickles: bool = False
) -> UInt8[np.ndarray, "height width 3"]:
    """The frame in the middle of a clip, cropped to the person.

    Raises:
        DataError: When the video or the skeleton cannot be read.
    """
    return load_sample(clip, replace(_SAMPLE, trust_pickles=trust_pickles)).frames[0]


def _show(axes: Axes, item: Found, trust_pickles: bool) -> None:
    axes.imshow(middle_frame(item.clip, trust_pickles))
    axes.set_title(item.name, fontsize=7, color=item.colour, pad=3)
    axes.axis("on")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color=item.colour, linewidth=3)
