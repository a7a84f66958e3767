"""A map of frame embeddings in two dimensions, coloured by time and by view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.decomposition import PCA
from torch import Tensor

from align.report.episode import Example
from align.report.style import STYLE, WIDTH, wrapped_title

Embeddings = Mapping[str, Mapping[str, Float[Tensor, "time dim"]]]


@dataclass(frozen=True)
class EmbeddingMap:
    """The two principal components of the frames of some episodes.

    Attributes:
        points: Of all frames of all videos.
        time: Of each frame, from 0 at its episode's start to 1 at its end.
        view: Index into `views` of each frame.
        views: Names of the views.
        explained: Share of the variance that the two components hold.
    """

    points: Float[np.ndarray, "frames 2"]
    time: Float[np.ndarray, " frames"]
    view: np.ndarray
    views: Sequence[str]
    explained: float


def embedding_map(embeddings: Embeddings, episodes: int = 5) -> EmbeddingMap:
    """Projects the embeddings of the first episodes, episode to view to (time, dim), together."""
    chosen = list(embeddings.values())[:episodes]
    views = list(chosen[0])
    videos = [(views.index(view), z) for episode in chosen for view, z in episode.items()]
    frames = np.concatenate([z.numpy() for _, z in videos]).astype(np.float64)
    dims = min(2, *frames.shape)
    # Seeded, although the full decomposition draws nothing: larger inputs may take another solver.
    pca = PCA(dims, random_state=0)
    points = np.zeros((len(frames), 2))
    points[:, :dims] = pca.fit_transform(frames)
    return EmbeddingMap(
        points,
        np.concatenate([np.linspace(0, 1, len(z)) for _, z in videos]),
        np.repeat([view for view, _ in videos], [len(z) for _, z in videos]),
        views,
        float(np.nan_to_num(pca.explained_variance_ratio_).sum()),
    )


@matplotlib.rc_context(STYLE)
def draw_maps(maps: Mapping[str, EmbeddingMap]) -> Figure:
    """Each method's map twice, one below the other: coloured by time, and by view.

    Args:
        maps: Method to map, all of the same views.
    """
    per_row = min(len(maps), 4)
    bands = -(-len(maps) // per_row)
    side = min((WIDTH - 1.4) / per_row, 3.4)
    figure = Figure(figsize=(side * per_row + 1.4, (2 * side + 0.5) * bands), layout="constrained")
    grid = figure.subplots(2 * bands, per_row, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    views = next(iter(maps.values())).views
    shades = [matplotlib.colormaps["tab10"](i % 10) for i in range(len(views))]
    for place, (label, one) in enumerate(maps.items()):
        band, column = divmod(place, per_row)
        by_time, by_view = grid[2 * band, column], grid[2 * band + 1, column]
        # As pixels: thousands of circles would make a page of many megabytes.
        dots = {"s": 5, "linewidths": 0, "rasterized": True}
        timed = by_time.scatter(*one.points.T, c=one.time, cmap="viridis", vmin=0, vmax=1, **dots)
        by_view.scatter(*one.points.T, c=[shades[i] for i in one.view], **dots)
        text = f"{100 * one.explained:.0f} % of the variance"
        by_time.set_title(wrapped_title(label, text, side), loc="left")
    figure.colorbar(timed, ax=grid[0::2], ticks=[0, 1], aspect=18).set_ticklabels(["start", "end"])
    handles = [
        Line2D([], [], color=shade, marker="o", linestyle="", markersize=5, label=view)
        for view, shade in zip(views, shades, strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=min(len(views), 6))
    return figure


def embedding_maps(example: Example) -> dict[str, EmbeddingMap]:
    """The map of each method's typical run."""
    return {
        label: embedding_map(run.evaluation.embeddings()) for label, run in example.runs.items()
    }
