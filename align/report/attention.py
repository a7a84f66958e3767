"""Where models look: the attention that patches receive, drawn over the frames."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Float
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from align.engine.run_folder import RunFolder
from align.report.episode import Example
from align.report.html import inline_svg
from align.report.style import STYLE, WIDTH
from align.report.tokens import analysis_panels
from align.results.analysis import AttentionMaps, load_analysis, load_maps
from datasets.episodes import EpisodeDataset
from datasets.errors import FormatError

log = logging.getLogger(__name__)

# Opacity of the strongest attention; the frame below remains visible.
_OPAQUE = 0.75
# The strongest weights are clipped at this percentile, so that one patch does not dim all others.
_BRIGHTEST = 99


@dataclass(frozen=True)
class TokenPictures:
    """The figures of analysed runs: tokens by layer, and attention over frames.

    Attributes:
        panels: The panels of the paper's Figures 7 and 10.
        attention: Attention on frames of one episode.
        episode: Name of that episode.
        missing: Folders of shown runs that `align.analyze` has not analysed yet.
    """

    panels: Markup
    attention: Markup
    episode: str
    missing: Sequence[Path]


def token_pictures(example: Example, data: EpisodeDataset) -> TokenPictures | None:
    """The figures of each method's typical run; None where no run has been analysed.

    Also None for evaluations other than the default one of a split: `align.analyze` covers only
    that one.
    """
    evaluation = next(iter(example.runs.values())).evaluation
    split = evaluation.split
    if evaluation.name not in ("", split):
        return None
    folders = {label: RunFolder(run.folder) for label, run in example.runs.items()}
    known = {label: folder for label, folder in folders.items() if _analysed(folder, split)}
    if not known:
        return None
    analyses = {label: load_analysis(folder.analysis(split)) for label, folder in known.items()}
    maps = {label: load_maps(folder.attention(split)) for label, folder in known.items()}
    missing = [
        run.folder
        for label, run in example.runs.items()
        if label not in known and run.config.parts.encoder == "vit"
    ]
    return TokenPictures(
        inline_svg(analysis_panels(analyses, data.skeleton.keypoints)),
        inline_svg(draw_attention(maps, data)),
        next(iter(maps.values())).episode,
        missing,
    )


def _analysed(run: RunFolder, split: str) -> bool:
    """Whether there is a readable analysis of the current checkpoint; a damaged one is named."""
    stored = (run.analysis(split), run.attention(split))
    if not all(run.is_newer_than_checkpoint(path) for path in stored):
        return False
    try:
        load_analysis(run.analysis(split))
        load_maps(run.attention(split))
    except FormatError as error:
        log.warning("left out: %s", error)
        return False
    return True


@matplotlib.rc_context(STYLE)
def draw_attention(maps: Mapping[str, AttentionMaps], data: EpisodeDataset) -> Figure:
    """Frames of each view, and below them the attention of each method, on one scale.

    Args:
        maps: Label to maps, all of the same episode and moments.
        data: The data set of that episode.
    """
    first = next(iter(maps.values()))
    episode, times = data.names.index(first.episode), np.array(first.times)
    lines = len(first.views) * (1 + len(maps))
    # The frames span 82 % of the width; a row of labels and a gap follow each row of frames.
    height, gap = 0.82 * WIDTH / len(times) * lines, 0.15
    figure = Figure(figsize=(WIDTH, height * (1 + gap) + 0.3))
    top = 1 - 0.3 / figure.get_figheight()
    figure.subplots_adjust(left=0.1, right=0.92, top=top, bottom=0.01, hspace=gap)
    rows = iter(figure.subplots(lines, 1, squeeze=False)[:, 0])
    everything = [np.ravel(values) for one in maps.values() for values in one.views.values()]
    brightest = float(np.percentile(np.concatenate(everything), _BRIGHTEST)) or 1.0
    shades = ScalarMappable(Normalize(0, brightest, clip=True), "autumn_r")
    for view in first.views:
        # The moments side by side as one picture: separate axes for each are slow to draw.
        frames = np.concatenate(list(data.images(episode, view, times)), axis=1)
        row = next(rows)
        _draw_row(row, view, frames, len(times))
        _name_moments(row, frames.shape[1] / len(times), times.tolist())
        for label, one in maps.items():
            row = next(rows)
            _draw_row(row, textwrap.fill(label, 14), frames, len(times))
            weights = np.concatenate(list(map(np.asarray, one.views[view])), axis=1)
            _overlay(row, weights, frames.shape, shades)
    height = min(3.0 / figure.get_figheight(), 0.8 * top)
    bar = figure.add_axes((0.935, top - height, 0.012, height))
    figure.colorbar(shades, cax=bar, label="attention (1: equal shares)")
    return figure


def _draw_row(row: Axes, label: str, frames: np.ndarray, count: int) -> None:
    row.imshow(frames)
    row.set(xticks=[], yticks=[])
    row.set_ylabel(label, rotation=0, ha="right", va="center")
    row.spines[:].set_visible(False)
    for i in range(1, count):
        row.axvline(i * frames.shape[1] / count - 0.5, color="white", linewidth=3)


def _name_moments(row: Axes, width: float, times: Sequence[int]) -> None:
    places = [(i + 0.5) * width for i in range(len(times))]
    row.set_xticks(places, [f"t = {time}" for time in times])
    row.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)


def _overlay(
    row: Axes,
    weights: Float[np.ndarray, "rows cols"],
    shape: tuple[int, ...],
    shades: ScalarMappable,
) -> None:
    """Draws weights over a row of frames, the weaker the more transparent."""
    # As RGBA: in SVG files matplotlib ignores an array that is passed as `alpha`.
    colours = shades.to_rgba(weights)
    colours[..., 3] = _OPAQUE * np.asarray(shades.norm(weights))
    row.imshow(
        colours,
        interpolation="none",
        extent=(-0.5, shape[1] - 0.5, shape[0] - 0.5, -0.5),
        gid="attention",
    )
