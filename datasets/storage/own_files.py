"""The files of a user, without those that operating systems leave beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

# Folders of Synology's and macOS's making, and of file systems and recycle bins.
_OF_SYSTEMS = {"@eaDir", "__MACOSX", "lost+found", "#recycle", "$RECYCLE.BIN"}


def own_files(paths: Iterable[Path]) -> list[Path]:
    """The paths in order, without hidden ones and those of operating systems.

    Numbers in names are compared as numbers, so that `take_9` comes before `take_10`. On disks that
    are not its own, macOS writes `._ego.mp4` beside each `ego.mp4`.
    """
    own = (path for path in paths if not path.name.startswith("."))
    return sorted((path for path in own if path.name not in _OF_SYSTEMS), key=_in_order)


def _in_order(path: Path) -> tuple[list[str | int], Path]:
    # Text and digits take turns, so that keys compare text with text and numbers with numbers.
    pieces = re.split(r"(\d+)", str(path))
    return [int(piece) if piece.isdecimal() else piece for piece in pieces], path
