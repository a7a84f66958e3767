"""The HTML of a local page, and the scripts that it loads from its own package and from here."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

# Begins the names of the modules that all pages share.
_SHARED_PREFIX = "page"


class Module(NamedTuple):
    """A script of a page: where the server has it, and its text."""

    address: str
    text: str


class ServedPage(NamedTuple):
    """A page that asks a server for everything.

    Attributes:
        text: Its HTML.
        digest: That of its one inline script. The browser runs an inline script only if the server
            names its digest beside the page.
        static: Address to folder of its scripts and styles.
    """

    text: str
    digest: str
    static: Mapping[str, Path]


def static_folders(package: str) -> dict[str, Path]:
    """Address to folder of the scripts and styles of a package's page, and of those shared."""
    packages = {"static": package, "shared": __package__}
    return {address: Path(str(files(name))) / "static" for address, name in packages.items()}


def modules(package: str, prefix: str) -> dict[str, Module]:
    """The scripts of a page by the names under which they import each other.

    Args:
        package: Package whose folder `static` holds the page's own.
        prefix: Begins the names of those.
    """
    found = {}
    for address, folder in static_folders(package).items():
        named = prefix if address == "static" else _SHARED_PREFIX
        for file in sorted(folder.glob("*.js")):
            found[f"{named}/{file.name}"] = Module(f"./{address}/{file.name}", file.read_text())
    return found


def styles(package: str) -> str:
    """The shared style and the page's own."""
    folders = static_folders(package)
    return "".join(
        file.read_text()
        for file in (folders["shared"] / "base.css", folders["static"] / "style.css")
    )


def served_page(package: str, prefix: str, **values: Any) -> ServedPage:
    """The page of a package.

    Args:
        package: Package with `templates/page.html.j2` and the folder `static`.
        prefix: Begins the names of its scripts.
        values: What else the template shows.
    """
    addresses = {name: module.address for name, module in modules(package, prefix).items()}
    imports = json.dumps({"imports": addresses})
    digest = base64.b64encode(hashlib.sha256(imports.encode()).digest()).decode()
    text = render(package, imports=imports, **values)
    return ServedPage(text, f"sha256-{digest}", static_folders(package))


def render(package: str, **values: Any) -> str:
    """Fills the template of a package's page in."""
    environment = Environment(
        loader=PackageLoader(package), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("page.html.j2").render(values)
