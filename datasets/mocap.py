"""What a rendered motion-capture set says of itself, beside files in another data set's layout."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from datasets.atomic import atomic_path
from datasets.errors import DataError

MOCAP_NAME = "mocap.json"


@dataclass(frozen=True)
class MocapMeta:
    """Contents of `mocap.json`.

    Attributes:
        layout: The data set whose names and formats the files have: `ntu`, `smarthome`, `nucla`.
        actions: What the clips of each label show, in the order of the labels.
        command: The command line that made them.
    """

    layout: str
    actions: tuple[str, ...]
    command: str

    def save(self, root: Path) -> None:
        """Writes the file into the data set's folder."""
        with atomic_path(root / MOCAP_NAME) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, root: Path) -> MocapMeta:
        """Reads the file of a data set.

        Raises:
            DataError: When it is missing or cannot be read.
        """
        path = root / MOCAP_NAME
        if not path.exists():
            raise DataError(
                f"{path} does not exist: {root} is no rendered motion-capture set. Name the folder "
                "of one, or the data set whose clips these are."
            )
        try:
            stored = json.loads(path.read_bytes())
            return cls(stored["layout"], tuple(stored["actions"]), stored["command"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} cannot be read ({error!r}); generate it again.") from None
