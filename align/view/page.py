"""The page's HTML, with its scripts and style beside it or within it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from align.view.routes import JSON, Content

STATIC = files("align.view") / "static"
_STYLE = "style.css"


def scripts() -> dict[str, str]:
    """Name to source of each module of the page."""
    found = sorted(STATIC.iterdir(), key=lambda file: file.name)
    return {file.name: file.read_text() for file in found if file.name.endswith(".js")}


def served_page() -> tuple[str, str]:
    """The page that asks a server for everything, and the digest of its one inline script.

    The browser runs an inline script only if the server names its digest beside the page.
    """
    imports = json.dumps({"imports": {f"view/{name}": f"./static/{name}" for name in scripts()}})
    digest = base64.b64encode(hashlib.sha256(imports.encode()).digest()).decode()
    return _render(imports=imports, style=None, inlined=None), f"sha256-{digest}"


def exported_page(contents: Mapping[str, Content], title: str) -> str:
    """The page as one file.

    Args:
        contents: Path to content of everything that the page may ask for.
        title: Its title.
    """
    modules = {
        f"view/{name}": f"data:text/javascript;base64,{_base64(text.encode())}"
        for name, text in scripts().items()
    }
    inlined = {
        path: json.loads(content.body) if content.kind == JSON else _base64(content.body)
        for path, content in contents.items()
    }
    # `</script>` in a name must not end the element.
    data = json.dumps(inlined, separators=(",", ":")).replace("<", "\\u003c")
    style = (STATIC / _STYLE).read_text()
    return _render(json.dumps({"imports": modules}), style, data, title)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _render(imports: str, style: str | None, inlined: str | None, title: str = "posealign") -> str:
    environment = Environment(
        loader=PackageLoader("align.view"), autoescape=True, undefined=StrictUndefined
    )
    template = environment.get_template("page.html.j2")
    return template.render(imports=imports, style=style, inlined=inlined, title=title)
