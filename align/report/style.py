"""Colours, fonts and SVG of all figures."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from align.results.text import mean

# Okabe and Ito's colours, which the colour-blind can tell apart; grey is the plain baseline.
_METHOD_COLOURS = {
    "deit": "#808080",
    "baseline": "#808080",
    "paab": "#0072B2",
    "paat": "#D55E00",
    "paab+paat": "#009E73",
}
_OTHER_COLOURS = (
    *("#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#A6761D", "#66A61E"),
    *("#882255", "#44AA99", "#BBAA22", "#332288", "#FF7F9F", "#661100"),
)
# Stands for the page's own text colour: `to_svg` replaces it, so that figures follow the page.
INK = "#010203"
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    # Text stays text: it can be searched, and takes the page's font. Names are no formulae.
    "svg.fonttype": "none",
    "text.parse_math": False,
    # The same figure gives the same bytes.
    "svg.hashsalt": "posealign",
}
WIDTH = 11.2  # inches, as wide as the page's text


def method_colours(labels: Sequence[str]) -> dict[str, str]:
    """A colour a method for the whole report."""
    names = list(dict.fromkeys(labels))
    others = [name for name in names if name not in _METHOD_COLOURS]
    extra = {name: _OTHER_COLOURS[i % len(_OTHER_COLOURS)] for i, name in enumerate(others)}
    return {name: {**_METHOD_COLOURS, **extra}[name] for name in names}


def phase_colours(count: int) -> list[str]:
    """A soft colour a phase."""
    return [to_hex(matplotlib.colormaps["Set2"](i % 8)) for i in range(count)]


@matplotlib.rc_context(STYLE)
def to_svg(figure: Figure) -> str:
    """The figure as an SVG element whose text has the colour and the font of the page."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")


class _Trained(Protocol):
    """A run as `draw_curves` needs it."""

    @property
    def label(self) -> str: ...

    @property
    def history(self) -> list[dict[str, float]]: ...


def draw_curves(
    axes: Axes, runs: Sequence[_Trained], name: str, colours: Mapping[str, str]
) -> None:
    """Draws a number of the history over epochs: a thin line a run, a thick one their mean.

    Args:
        axes: Where.
        runs: Of all labels.
        name: Which column of the history.
        colours: A colour a label.
    """
    for label, colour in colours.items():
        curves = [
            {row["epoch"]: row[name] for row in run.history if name in row}
            for run in runs
            if run.label == label
        ]
        alone = len(curves) == 1
        for curve in curves:
            width, alpha = (2.2, 1.0) if alone else (0.8, 0.55)
            axes.plot(list(curve), list(curve.values()), color=colour, linewidth=width, alpha=alpha)
        # Where a run stopped early the mean would be of the others, and jump.
        common = sorted(set.intersection(*(set(curve) for curve in curves)))
        if not alone and common:
            means = [mean(curve[epoch] for curve in curves) for epoch in common]
            axes.plot(common, means, color=colour, linewidth=2.2)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color=INK, alpha=0.12, linewidth=0.7)


def wrapped_title(label: str, text: str, width: float) -> str:
    """A panel's title, in as many lines as a panel of so many inches asks for."""
    # A row's label may name options; about 11 letters an inch at this size.
    return textwrap.fill(f"{label}: {text}", int(11 * width))
