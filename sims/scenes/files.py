"""Files that a user's world names, found in the folders where they may lie."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from datasets.errors import MissingDataError
from datasets.kinematics.loading import mimics_of

log = logging.getLogger(__name__)


def find_file(file: str | Path, folders: Sequence[Path], named_by: str) -> Path:
    """The path of a file in the first of some folders that has it.

    Args:
        file: Path relative to one of the folders, or absolute.
        folders: Where to look, in this order.
        named_by: What names the file, for messages.

    Raises:
        MissingDataError: When none has it; names the folders, and the nearest file there.
    """
    for folder in folders:
        if (folder / file).is_file():
            return folder / file
    near = difflib.get_close_matches(str(file), _others(Path(file), folders), 1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    places = " nor in ".join(str(folder.absolute()) for folder in folders)
    raise MissingDataError(f"{file} is neither in {places}: correct {named_by}.{meant}")


def _others(file: Path, folders: Sequence[Path]) -> list[str]:
    """The files of the same kind beside it, and those of its name in other folders."""
    found = []
    for folder in folders:
        beside = (folder / file).parent
        if beside.is_dir():
            found += [str(file.parent / each.name) for each in beside.glob(f"*{file.suffix}")]
        found += [str(each.relative_to(folder)) for each in folder.glob(f"*/{file.name}")]
    return sorted(set(found))


def warn_of_mimics(robot: ElementTree.Element, urdf: Path) -> None:
    """Warns of the joints of a URDF that follow others, and move by actions of their own here."""
    if mimics := mimics_of(robot, urdf):
        pairs = ", ".join(f"{joint} ({leader})" for joint, (leader, _, _) in mimics.items())
        log.warning(
            "%s has joints that follow others: %s. Here each needs an action of its own, which "
            "`control` can compute.",
            *(urdf, pairs),
        )
