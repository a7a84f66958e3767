"""Importing this checks that `datasets` is this project's, before anything is imported from it.

`datasets` is also the name of a well-known library, and a common name for a folder. Where one of
those comes first on the path, the error would else be a bare "No module named datasets.episodes".
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

# The packages lie side by side with this file, in a checkout as in an installed copy.
_OURS = Path(__file__).resolve().parent / "datasets"


def _require_own_datasets() -> None:
    spec = find_spec("datasets")
    # A package and a mere folder have places to search, a module only the file it comes from.
    places = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
    found = str(places[-1]) if places else "nothing"
    if Path(found).resolve() != _OURS:
        raise ImportError(
            f"the package `datasets` of this project is {_OURS}, but Python finds {found}. "
            f"Run from {_OURS.parent}, where ours comes first, or in an environment without "
            "the other one."
        )


_require_own_datasets()
