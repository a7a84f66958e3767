"""The page's HTML, with its scripts and style beside it or within it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from datasets.pages import page
from datasets.pages.content import JSON, Content
from datasets.pages.page import ServedPage

_PACKAGE, _PREFIX = "align.view", "view"


def scripts() -> dict[str, str]:
    """Address to source of each script of the page."""
    found = page.modules(_PACKAGE, _PREFIX).values()
    return {module.address: module.text for module in found}


def served_page() -> ServedPage:
    """The page that asks a server for everything."""
    return page.served_page(_PACKAGE, _PREFIX, style=None, inlined=None, title="posealign")


def exported_page(contents: Mapping[str, Content], title: str) -> str:
    """The page as one file.

    Args:
        contents: Path to content of everything that the page may ask for.
        title: Its title.
    """
    modules = {
        name: f"data:text/javascript;base64,{_base64(module.text.encode())}"
        for name, module in page.modules(_PACKAGE, _PREFIX).items()
    }
    inlined = {
        path: json.loads(content.body) if content.kind == JSON else _base64(content.body)
        for path, content in contents.items()
    }
    # `</script>` in a name must not end the element.
    data = json.dumps(inlined, separators=(",", ":")).replace("<", "\\u003c")
    imports = json.dumps({"imports": modules})
    style = page.styles(_PACKAGE)
    return page.render(_PACKAGE, imports=imports, style=style, inlined=data, title=title)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
