"""Pictures of outputs other than embeddings: reconstructions, pseudo-depth and pseudo-cameras.

Unlike the rest of a report, these pictures need the trained model; only runs of the methods that
have such outputs are loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import torch
from jaxtyping import Float, UInt8
from markupsafe import Markup
from matplotlib.figure import Figure
from torch import Tensor

from align.config import TrainConfig
from align.embedder import FrameEmbedder
from align.inputs.augment import frames_to_tensor, resize_frames
from align.models.disentangle import Codes, Disentangler
from align.models.encoder import Output
from align.models.pose_aware import PoseAwareOutput
from align.models.trl3d import Geometry
from align.report.episode import Example
from align.report.html import inline_svg
from align.report.style import STYLE, WIDTH
from datasets.episodes import EpisodeDataset

Frames = UInt8[Tensor, "time 3 height width"]


@dataclass(frozen=True)
class Picture:
    """A figure and what it shows, in a sentence or two."""

    figure: Figure
    caption: str


def method_pictures(
    run: Path, data: EpisodeDataset, i: int, views: tuple[str, str], moments: int = 6
) -> list[Picture]:
    """Outputs of a run's model for two views of an episode; empty for methods without pictures.

    Args:
        run: A folder made by `align.train`.
        data: The data set that the run was evaluated on.
        i: Index of the episode.
        views: The views to compare.
        moments: Number of moments, spread evenly.

    Raises:
        DataError: When the data set that the run was trained on does not exist.
        CheckpointError: When the best checkpoint is missing or belongs to another model.
    """
    config = TrainConfig.load(run)
    if not (config.parts.encoder == "disentangle" or config.parts.trl3d):
        return []
    # A dozen frames need no GPU, and the pictures are drawn from memory on the CPU.
    embedder = FrameEmbedder.load(run, device="cpu")
    times = np.linspace(0, data.lengths[i] - 1, moments).round().astype(int)
    frames = {
        view: resize_frames(frames_to_tensor(data.images(i, view, times)), embedder.image_size)
        for view in views
    }
    outputs = {view: _outputs(embedder, data, i, view, times) for view in views}
    network = embedder.model.backbone
    if isinstance(network, Disentangler):
        codes = {view: output for view, output in outputs.items() if isinstance(output, Codes)}
        return [draw_reconstructions(network, frames, codes)]
    geometries = {
        view: output.geometry
        for view, output in outputs.items()
        if isinstance(output, PoseAwareOutput) and output.geometry is not None
    }
    return [draw_depth(frames, geometries), draw_cameras(geometries)]


@torch.no_grad()
def _outputs(
    embedder: FrameEmbedder, data: EpisodeDataset, i: int, view: str, times: np.ndarray
) -> Output | None:
    frames = embedder.frames(partial(data.images, i, view), times, data.lengths[i])
    return embedder.model(frames, embedder.view_inputs(data, i, view, times)).network


@torch.no_grad()
@matplotlib.rc_context(STYLE)
def draw_reconstructions(
    network: Disentangler, frames: Mapping[str, Frames], codes: Mapping[str, Codes]
) -> Picture:
    """Frames decoded from their own codes, and from codes of two views combined.

    Args:
        network: The model, in evaluation mode.
        frames: Two views at the same moments.
        codes: View to the codes of its frames.
    """
    (first, a), (second, b) = codes.items()
    rows = {
        first: network.target(frames[first]),
        f"{first}, decoded": network.decode(a.embedding, a.viewpoint),
        f"state of {second}": network.decode(b.embedding, a.viewpoint),
        f"viewpoint of {second}": network.decode(a.embedding, b.viewpoint),
        second: network.target(frames[second]),
    }
    figure = Figure(figsize=(WIDTH, WIDTH * len(rows) / (len(frames[first]) + 1.2)))
    axes = figure.subplots(len(rows), len(frames[first]), squeeze=False)
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for cell, image in zip(line, images, strict=True):
            cell.imshow(image.permute(1, 2, 0).float().numpy())
            cell.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    figure.tight_layout(pad=0.3)
    caption = (
        f"Top row: frames of {first}, as the decoder should reproduce them; bottom row: frames of "
        f"{second} at the same moments. Between them, frames that were decoded from the codes of "
        f"{first}; from the state of {second} and the viewpoint of {first}, which should look like "
        f"the top row; and from the state of {first} and the viewpoint of {second}, which should "
        f"look like the bottom row."
    )
    return Picture(figure, caption)


@matplotlib.rc_context(STYLE)
def draw_depth(frames: Mapping[str, Frames], geometries: Mapping[str, Geometry]) -> Picture:
    """Frames with the pseudo-depth of their patches below them, all on one scale."""
    depths = {view: _depth_grid(g, frames[view]) for view, g in geometries.items()}
    everything = np.concatenate([depth.ravel() for depth in depths.values()])
    low, high = float(everything.min()), float(everything.max())
    count = len(next(iter(frames.values())))
    size = (WIDTH, WIDTH * 2 * len(depths) / (count + 1.8))
    # "constrained" leaves out that square cells move, which cuts the names of the rows off.
    figure = Figure(figsize=size, layout="compressed")
    axes = figure.subplots(2 * len(depths), count, squeeze=False)
    for k, (view, depth) in enumerate(depths.items()):
        for column in range(count):
            upper, lower = axes[2 * k][column], axes[2 * k + 1][column]
            upper.imshow(frames[view][column].permute(1, 2, 0).numpy())
            shown = lower.imshow(depth[column], vmin=low, vmax=high, cmap="viridis")
            for cell in (upper, lower):
                cell.set(xticks=[], yticks=[])
        axes[2 * k][0].set_ylabel(view, rotation=0, ha="right", va="center")
        axes[2 * k + 1][0].set_ylabel("pseudo-depth", rotation=0, ha="right", va="center")
    figure.colorbar(shown, ax=axes, fraction=0.02, label="pseudo-depth (no unit)")
    caption = (
        "The pseudo-depth that 3DTRL recovers for each patch, below the frames. It is not "
        "supervised: its sign and scale are arbitrary, and it may differ from the scene's depth."
    )
    return Picture(figure, caption)


@matplotlib.rc_context(STYLE)
def draw_cameras(geometries: Mapping[str, Geometry]) -> Picture:
    """Positions and directions of the recovered cameras, from above and from the side."""
    figure = Figure(figsize=(WIDTH * 0.8, WIDTH * 0.36), layout="constrained")
    planes = (("x", "z", "from above"), ("z", "y", "from the side"))
    palette = matplotlib.colormaps["tab10"]
    for panel, (across, up, title) in zip(figure.subplots(1, 2), planes, strict=True):
        i, j = "xyz".index(across), "xyz".index(up)
        for k, (view, geometry) in enumerate(geometries.items()):
            centre, ahead = camera_poses(geometry)
            colour = palette(k % palette.N)
            panel.scatter(centre[:, i], centre[:, j], color=colour, s=18, label=view)
            panel.quiver(
                centre[:, i],
                centre[:, j],
                ahead[:, i],
                ahead[:, j],
                color=colour,
                width=0.005,
                alpha=0.7,
            )
        panel.set(xlabel=across, ylabel=up, title=title)
        panel.margins(0.2)
    # Image coordinates point down.
    figure.axes[1].invert_yaxis()
    figure.axes[0].legend()
    caption = (
        "The camera that 3DTRL recovers for each frame, in arbitrary units; an arrow is its "
        "direction of view. All frames of a fixed view should have the same camera, and different "
        "views different cameras."
    )
    return Picture(figure, caption)


def camera_poses(
    geometry: Geometry,
) -> tuple[Float[np.ndarray, "batch 3"], Float[np.ndarray, "batch 3"]]:
    """Centres and directions of view in world coordinates.

    With world points q = p R + t, the camera's origin is at t and its z axis the third row of R.
    """
    return geometry.translation.numpy(), geometry.rotation[:, 2].numpy()


def _depth_grid(geometry: Geometry, frames: Frames) -> Float[np.ndarray, "time rows cols"]:
    patches = geometry.depth.shape[-1]
    rows = round((patches * frames.shape[-2] / frames.shape[-1]) ** 0.5)
    return geometry.depth[:, 0].reshape(-1, rows, patches // rows).numpy()


def recovered(example: Example, data: EpisodeDataset) -> dict[str, list[tuple[Markup, str]]]:
    """Label to pictures with captions, of the example's two views."""
    i, views = data.names.index(example.episode), (example.query, example.target)
    pictures = {
        label: method_pictures(run.folder, data, i, views) for label, run in example.runs.items()
    }
    return {
        label: [(inline_svg(p.figure), p.caption) for p in found]
        for label, found in pictures.items()
        if found
    }
