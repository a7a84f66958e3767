"""`mocap.json`, the description of a rendered motion-capture set in another data set's layout."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shlex import quote

from datasets.clips.base import ClipInfo
from datasets.errors import DamagedDataError, MissingDataError
from datasets.storage.atomic import atomic_path

MOCAP_NAME = "mocap.json"


@dataclass(frozen=True)
class MocapMeta:
    """Contents of `mocap.json`.

    Attributes:
        layout: The data set whose file names and formats are used: `ntu`, `smarthome` or `nucla`.
        motions: The motion that is stored under each used class of that data set.
        views: Number of cameras.
        size: Height and width of the videos in pixels.
        seed: Seed from which people, rooms and cameras were drawn.
        command: The command line that rendered the set.
        rooms: Number of rooms that the takes share; None where each has its own.
    """

    layout: str
    motions: Mapping[str, str]
    views: int
    size: int
    seed: int
    command: str
    rooms: int | None = None

    def save(self, root: Path) -> None:
        """Writes the file into the data set's folder."""
        with atomic_path(root / MOCAP_NAME) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, root: Path) -> MocapMeta:
        """Reads the file of a data set.

        Raises:
            DataError: When the file is missing or cannot be read.
        """
        path = root / MOCAP_NAME
        if not path.exists():
            raise MissingDataError(
                f"{path} does not exist: {root} is no rendered motion-capture set. Make one with "
                f"`python -m sims.generate --env mocap --out {quote(str(root))}`, or choose the "
                "format of the data set that these clips come from."
            )
        try:
            stored = json.loads(path.read_bytes())
            return cls(**stored | {"motions": dict(stored["motions"])})
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedDataError(
                f"{path} cannot be read ({error!r}); generate it again."
            ) from None

    def relabel(
        self, parts: Mapping[str, Sequence[ClipInfo]], classes: Sequence[str]
    ) -> tuple[dict[str, tuple[ClipInfo, ...]], tuple[str, ...]]:
        """Renumbers the labels so that only classes with a motion count.

        Args:
            parts: The clips of each split.
            classes: The classes that the clips' labels index.

        Returns:
            The clips with new labels, and the motions that the new labels index.
        """
        used = [name for name in classes if name in self.motions]
        labels = {classes.index(name): label for label, name in enumerate(used)}
        renamed = {
            part: tuple(replace(clip, label=labels[clip.label]) for clip in clips)
            for part, clips in parts.items()
        }
        return renamed, tuple(self.motions[name] for name in used)
