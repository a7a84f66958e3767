"""Pictures of recognition."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure

from datasets.atomic import atomic_path

# Beyond so many classes, numbers in the cells would no longer be read.
MOST_NUMBERED = 32


def draw_confusion(
    matrix: Int[np.ndarray, "classes classes"], classes: Sequence[str], path: Path
) -> None:
    """Writes a confusion matrix of the classes that have clips or guesses, as a PNG.

    Colour is the share of a row, the true class; numbers count clips.
    """
    present = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
    matrix, names = matrix[np.ix_(present, present)], [classes[i] for i in present]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = max(4.0, 1.8 + 0.34 * len(names))
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("recognised as")
    axes.set_ylabel("true class")
    if len(names) <= MOST_NUMBERED:
        for row, column in np.argwhere(matrix):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
