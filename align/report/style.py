"""Colours, fonts and file formats of all figures."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from datasets.storage.atomic import atomic_path

# Okabe and Ito's colours, which remain distinct for colour-blind readers; the baseline is grey.
_METHOD_COLOURS = {
    "deit": "#808080",
    "baseline": "#808080",
    "paab": "#0072B2",
    "paat": "#D55E00",
    "paab+paat": "#009E73",
}
_OTHER_COLOURS = (
    *("#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#A6761D", "#66A61E"),
    *("#882255", "#44AA99", "#BBAA22", "#6A5ACD", "#FF7F9F", "#B03A2E"),
)
# A placeholder for the page's text colour: `to_svg` replaces it, so that figures follow the page.
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
    # Text stays text: it can be searched, and takes the page's font. A `$` in a name is no formula.
    "svg.fonttype": "none",
    "text.parse_math": False,
    # The same figure gives the same bytes.
    "svg.hashsalt": "posealign",
}
WIDTH = 11.2  # inches, as wide as the page's text
_LETTERS_PER_INCH = 11  # of a title, on average


def method_colours(labels: Sequence[str]) -> dict[str, str]:
    """A colour for each label, the same wherever the same labels are drawn."""
    names = list(dict.fromkeys(labels))
    others = [name for name in names if name not in _METHOD_COLOURS]
    extra = {name: _other_colour(i) for i, name in enumerate(others)}
    return {name: {**_METHOD_COLOURS, **extra}[name] for name in names}


def _other_colour(index: int) -> str:
    """The colours in turn, then darker ones, then lighter ones."""
    turn, place = divmod(index, len(_OTHER_COLOURS))
    towards, share = ((0, 0.0), (0, 0.4), (1, 0.5))[turn % 3]
    red, green, blue = ((1 - share) * c + share * towards for c in to_rgb(_OTHER_COLOURS[place]))
    return to_hex((red, green, blue))


def phase_colours(count: int) -> list[str]:
    """A soft colour for each phase."""
    return [to_hex(matplotlib.colormaps["Set2"](i % 8)) for i in range(count)]


def light_grid(axes: Axes, axis: str) -> None:
    """Faint lines at the ticks of the axis `x` or `y`, behind what is drawn."""
    axes.grid(axis=axis, color=INK, alpha=0.12, linewidth=0.7)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def integer_ticks(axes: Axes) -> None:
    """Ticks of the horizontal axis at whole numbers only, even where there is a single one."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def colour_legend(figure: Figure, colours: Mapping[str, str]) -> None:
    """A legend below the figure: label to colour, in as many columns as fit."""
    handles = [Line2D([], [], color=c, linewidth=2.4, label=name) for name, c in colours.items()]
    widest = max(len(name) for name in colours)
    columns = int(_LETTERS_PER_INCH * figure.get_figwidth() / (widest + 8))
    columns = max(1, min(columns, len(handles)))
    # The figure grows by the legend's further rows, so that its panels keep their size.
    further = -(-len(handles) // columns) - 1
    figure.set_figheight(figure.get_figheight() + 0.2 * further)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def wrapped_title(label: str, text: str, width: float) -> str:
    """A panel's title, wrapped to a width in inches; labels can be long, as they name options."""
    return textwrap.fill(f"{label}: {text}", int(_LETTERS_PER_INCH * width))


@matplotlib.rc_context(STYLE)
def to_svg(figure: Figure) -> str:
    """The figure as an SVG element whose text has the colour and the font of the page."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")


def save_png(figure: Figure, path: Path) -> None:
    """Writes the figure as a PNG."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
