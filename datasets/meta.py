"""`meta.json`: what all episodes of a data set have in common."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from datasets.atomic import atomic_path
from datasets.errors import DataError
from datasets.skeletons import Skeleton, get_skeleton

META_NAME = "meta.json"
# What may differ between two runs that add episodes to one data set.
_INFORMATIVE = {"command", "versions"}


@dataclass(frozen=True)
class DatasetMeta:
    """What all episodes of a data set have in common.

    Attributes:
        env: Public name of the environment, also of the index file.
        views: `ego` and `view_0` … in storage order.
        skeleton: Name of the skeleton that the keypoints follow.
        image_size: Height and width of the square images, in pixels.
        seed: Base seed; an episode's own seed is derived from it and the episode's index.
        phases: Name of each value of an episode's `phases`.
        control_hz: Time steps a second.
        env_args: What robomimic needs to make the environment again.
        versions: Versions of the simulator's packages.
        command: The command that generated the data set.
    """

    env: str
    views: list[str]
    skeleton: str
    image_size: int
    seed: int
    phases: list[str]
    control_hz: float
    env_args: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    command: str = ""

    def get_skeleton(self) -> Skeleton:
        """The skeleton named by `skeleton`."""
        return get_skeleton(self.skeleton)

    def save(self, root: Path) -> None:
        """Writes `meta.json` under `root`."""
        with atomic_path(root / META_NAME) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, root: Path) -> DatasetMeta:
        """Reads `meta.json` under `root`.

        Raises:
            DataError: When the file is missing, not JSON, or lacks a field.
        """
        path = root / META_NAME
        try:
            stored = json.loads(path.read_text())
        except FileNotFoundError:
            raise DataError(
                f"{path} does not exist: {root} is no data set of episodes. "
                "Make one with `python -m sims.generate --env lift --views 4`."
            ) from None
        except json.JSONDecodeError as error:
            raise DataError(f"{path} is not valid JSON ({error}); generate it again.") from None
        known = {f.name for f in fields(cls)}
        if missing := known - stored.keys():
            raise DataError(f"{path} lacks {sorted(missing)}; generate the data set again.")
        return cls(**{name: stored[name] for name in known})

    def require_same_data_set(self, other: DatasetMeta, root: Path) -> None:
        """Raises a DataError when `other` would make other episodes than those under `root`."""
        differing = [
            f"{f.name}: {getattr(self, f.name)!r} on disk, {getattr(other, f.name)!r} asked for"
            for f in fields(self)
            if f.name not in _INFORMATIVE and getattr(self, f.name) != getattr(other, f.name)
        ]
        if differing:
            raise DataError(
                f"{root} holds episodes made with other options ({'; '.join(differing)}). "
                "Use the same options to go on, or another --out."
            )
