"""The files of a user, without those that operating systems leave beside them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

# Folders of Synology's and macOS's making, and of file systems and recycle bins.
_OF_SYSTEMS = {"@eaDir", "__MACOSX", "lost+found", "#recycle", "$RECYCLE.BIN"}


def own_files(paths: Iterable[Path]) -> list[Path]:
    """The paths in order, without hidden ones and those of operating systems.

    On disks that are not its own, macOS writes `._ego.mp4` beside each `ego.mp4`.
    """
    return sorted(
        path for path in paths if not path.name.startswith(".") and path.name not in _OF_SYSTEMS
    )
