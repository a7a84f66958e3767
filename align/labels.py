"""Names of files and folders, short where they tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def labels(paths: Sequence[Path]) -> list[str]:
    """The name of each path, or the whole path where different ones have one name."""
    names = [path.absolute().name for path in set(paths)]
    return [
        str(path) if names.count(path.absolute().name) > 1 else path.absolute().name
        for path in paths
    ]
