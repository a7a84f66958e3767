"""The frame that all HTML pages share: templates, style, and content embedded into the page."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from align.report.style import to_svg
from datasets.storage.atomic import atomic_path


def render_template(
    name: str, values: Mapping[str, Any], *, package: str = "", **filters: Callable[..., str]
) -> str:
    """Fills a template in.

    Args:
        name: File name of the template.
        values: Everything that the template shows.
        package: Package whose `templates` folder holds it; by default this one. Either way
            `frame.html.j2` and `style.css` are found here.
        filters: Functions that the template uses as filters.
    """
    packages = [package] if package else []
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(p) for p in [*packages, "align.report"]]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(name).render(values)


def write_page(path: Path, text: str) -> Path:
    """Writes a page as a whole and returns its path."""
    with atomic_path(path) as temporary:
        # Paths may hold bytes that are no UTF-8.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return path


def inline_svg(figure: Figure) -> Markup:
    """A figure as an SVG element. Matplotlib escapes its texts, so it needs no more escaping."""
    return Markup(to_svg(figure))


def data_uri(kind: str, content: bytes) -> str:
    """Content of a MIME type as an address that contains it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
