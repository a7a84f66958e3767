"""Names of files and folders, short where they tell them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path


def labels(paths: Sequence[Path]) -> list[str]:
    """The name of each path, or the whole path where different ones have one name."""
    names = [path.absolute().name for path in paths]
    places = Counter(path.absolute().name for path in set(paths))
    return [
        str(path) if places[name] > 1 else name for path, name in zip(paths, names, strict=True)
    ]
