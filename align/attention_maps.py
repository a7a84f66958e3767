"""Where a transformer looks: the attention that patches receive, drawn on their frames."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import TypeAdapter
from torch import Tensor, nn

from align.analysis import attention_weights
from align.figures import STYLE, WIDTH
from align.models import PoseAware
from datasets.atomic import atomic_path
from datasets.episodes import EpisodeDataset


@dataclass(frozen=True)
class AttentionMaps:
    """Attention in one episode at a few moments.

    Attributes:
        episode: Its name.
        times: The moments.
        views: View to one map a moment, rows of patches; in multiples of what each patch would
            receive if all received the same.
    """

    episode: str
    times: Sequence[int]
    views: Mapping[str, Sequence[Sequence[Sequence[float]]]]


@torch.no_grad()
def received_attention(
    model: PoseAware, forward: Callable[[], object]
) -> Float[Tensor, "batch rows cols"]:
    """What each patch receives in the backbone's last block, mean over heads.

    From the class token where that is the embedding, else from all patches, which the embedding is
    the mean of. In multiples of equal shares among the patches.

    Args:
        model: Of images.
        forward: Runs it once.
    """
    seen: list[Tensor] = []

    def hook(attention: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(attention_weights(attention, inputs[0]).mean(dim=1))

    handle = model.backbone.blocks[-1].get_submodule("attn").register_forward_pre_hook(hook)
    try:
        forward()
    finally:
        handle.remove()
    prefix = model.layout.prefix
    asking = seen[0][:, :1] if model.readout == "class" else seen[0][:, prefix:]
    received = asking.mean(dim=1)[:, prefix:]
    shares = received / received.mean(dim=1, keepdim=True)
    return rearrange(shares.float().cpu(), "b (row col) -> b row col", row=model.layout.rows)


def save_maps(maps: AttentionMaps, path: Path) -> None:
    """Writes the maps as JSON."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(TypeAdapter(AttentionMaps).dump_json(maps) + b"\n")


def load_maps(path: Path) -> AttentionMaps:
    """Reads what `save_maps` wrote."""
    return TypeAdapter(AttentionMaps).validate_json(path.read_bytes())


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
