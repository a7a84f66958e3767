"""The identity of a data set of episodes: whether two folders hold the same data.

It follows from what is on disk and is stored in no file of the data set, so that older data sets
have one too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datasets.storage.index import read_index, read_splits
from datasets.storage.meta import DatasetMeta
from datasets.storage.seal import read_seal

# Messages and names of files show this many characters of a digest.
SHOWN_DIGITS = 8


@dataclass(frozen=True)
class DataIdentity:
    """The identity of a data set.

    Attributes:
        digest: SHA-256 in hexadecimal over the splits, the episodes' seals, and the facts of
            `meta.json` that give the episodes their meaning.
        seals: Episode to the digest of its file, for all episodes of the index.
    """

    digest: str
    seals: Mapping[str, str]

    @classmethod
    def of(cls, root: Path) -> DataIdentity | None:
        """The identity of the data set under `root`; no frame is read.

        Returns:
            The identity; None where an episode has no seal, as in files of early versions.

        Raises:
            DataError: When `meta.json`, the index or an episode that it names cannot be read.
        """
        meta = DatasetMeta.load(root)
        index = root / meta.index_name
        names, paths = read_index(index, None)
        seals: dict[str, str] = {}
        for name, path in zip(names, paths, strict=True):
            if (found := read_seal(path)) is None:
                return None
            seals[name] = found
        splits = {split: sorted(members) for split, members in read_splits(index).items()}
        content = {"meta": _meaning(meta), "splits": splits, "seals": seals}
        text = json.dumps(content, sort_keys=True)
        return cls(hashlib.sha256(text.encode()).hexdigest(), seals)


def _meaning(meta: DatasetMeta) -> dict[str, object]:
    """The facts that decide what the numbers in the episodes mean."""
    return {
        "env": meta.env,
        "views": meta.views,
        "keypoints": meta.get_skeleton().keypoints,
        "image_size": meta.image_size,
        "phases": meta.phases,
        "control_hz": float(meta.control_hz),
    }


def short(digest: str | None) -> str:
    """The first characters of a digest, for messages."""
    return digest[:SHOWN_DIGITS] if digest else "none stored"
