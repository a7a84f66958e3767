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
        points: The components of all frames of all videos.
        time: Time of each frame, from 0 at its episode's start to 1 at its end.
        view: Index into `views` of each frame.
        views: Names of the views.
        explained: Share of the variance that the two components explain.
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
    # Seeded, because scikit-learn takes a randomized solver for larger inputs.
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
        maps: Label to map, all of the same views.
    """
    per_row = min(len(maps), 4)
    bands = -(-len(maps) // per_row)
    side = min(WIDTH / per_row, 3.4)
    figure = Figure(figsize=(side * per_row, (2 * side + 0.9) * bands + 0.8), layout="constrained")
    grid = figure.subplots(2 * bands, per_row, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    views = next(iter(maps.values())).views
    palette = matplotlib.colormaps["tab10" if len(views) <= 10 else "tab20"]
    shades = [palette(i % palette.N) for i in range(len(views))]
    for place, (label, one) in enumerate(maps.items()):
        band, column = divmod(place, per_row)
        by_time, by_view = grid[2 * band, column], grid[2 * band + 1, column]
        # As pixels: thousands of circles as vectors would make a page of many megabytes.
        dots = {"s": 5, "linewidths": 0, "rasterized": True}
        timed = by_time.scatter(*one.points.T, c=one.time, cmap="viridis", vmin=0, vmax=1, **dots)
        by_view.scatter(*one.points.T, c=[shades[i] for i in one.view], **dots)
        text = f"{100 * one.explained:.0f} % of variance"
        by_time.set_title(wrapped_title(label, text, side), loc="left")
        by_view.set_title(wrapped_title(label, "by view", side), loc="left")
    # On top: beside the panels it would be as tall as all their rows.
    bar = figure.colorbar(
        timed,
        ax=grid,
        ticks=[0, 1],
        location="top",
        aspect=40,
        fraction=0.3 / figure.get_figheight(),
        pad=0.15 / figure.get_figheight(),
        label="time in an episode",
    )
    bar.set_ticklabels(["start", "end"])
    handles = [
        Line2D([], [], color=shade, marker="o", linestyle="", markersize=5, label=view)
        for view, shade in zip(views, shades, strict=True)
    ]
    # An entry takes about an inch; one that does not fit into the figure would be cut off.
    columns = min(len(views), max(2, int(figure.get_figwidth())))
    figure.legend(handles=handles, loc="outside lower left", ncols=columns)
    return figure


def embedding_maps(example: Example) -> dict[str, EmbeddingMap]:
    """The map of each method's typical run."""
    return {
        label: embedding_map(run.evaluation.embeddings()) for label, run in example.runs.items()
    }
