"""The writer of a data set of episodes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py

from datasets.errors import MismatchError
from datasets.storage.atomic import atomic_path, remove_leftovers
from datasets.storage.checks import require_fit
from datasets.storage.episode_file import Episode, write_episode
from datasets.storage.index import write_index
from datasets.storage.meta import META_NAME, DatasetMeta
from datasets.storage.seal import SEAL_SIZE, read_seal, seal

EPISODE_FOLDER = "episodes"


class EpisodeWriter:
    """Writes the episodes and the index of one data set, each file atomically."""

    def __init__(self, root: Path | str, meta: DatasetMeta) -> None:
        """Opens or makes the data set under `root`.

        Raises:
            DataError: When `root` holds episodes made with other options.
        """
        self.root = Path(root)
        self.meta = meta
        if (self.root / META_NAME).exists():
            DatasetMeta.load(self.root).require_same_data_set(meta, self.root)
        else:
            meta.save(self.root)

    @classmethod
    def begin(cls, root: Path | str, meta: DatasetMeta) -> EpisodeWriter:
        """Opens or makes the data set under `root`; one without episodes may change its options.

        Use it at the start of a run: an earlier run may have stopped before its first episode.

        Raises:
            DataError: When `root` holds episodes made with other options.
            MismatchError: When `root` holds episodes of others, but no `meta.json`.
        """
        root = Path(root)
        files = list((root / EPISODE_FOLDER).glob("*.hdf5"))
        if not (root / META_NAME).exists():
            # Generation removes damaged episodes, so it must not take a user's files for them.
            if strange := next((path for path in files if read_seal(path) is None), None):
                raise MismatchError(
                    f"{strange} was not made by this command: choose another --out, or move it."
                )
        elif not files:
            DatasetMeta.load(root)  # raises when another program wrote the file
            meta.save(root)
        return cls(root, meta)

    def path(self, index: int) -> Path:
        """The file of an episode."""
        return self.root / EPISODE_FOLDER / f"{index:06d}.hdf5"

    def done(self) -> set[int]:
        """Indices of the complete episodes on disk."""
        files = self.path(0).parent.glob("*.hdf5")
        return {int(path.stem) for path in files if path.stem.isdecimal()}

    def remove_leftovers(self) -> None:
        """Removes temporary files of killed runs; files that a live run is writing stay."""
        for folder in (self.root, self.path(0).parent):
            remove_leftovers(folder)

    def write(self, index: int, episode: Episode) -> Path:
        """Writes one episode; the same episode gives the same bytes.

        Raises:
            ValueError: When the episode lacks a view of the data set, or has the wrong shapes.
        """
        require_fit(index, episode, self.meta)
        path = self.path(index)
        # The file is made in memory: on a full disk, HDF5 can neither finish nor close a file.
        content = io.BytesIO()
        with h5py.File(content, "w", userblock_size=SEAL_SIZE) as file:
            write_episode(file, episode, self.meta.views)
        with content.getbuffer() as sealed, atomic_path(path) as temporary:
            seal(sealed)
            temporary.write_bytes(sealed)
        return path

    def write_index(self, splits: Mapping[str, Sequence[int]]) -> Path:
        """Writes the index that joins the episodes named in `splits`.

        Args:
            splits: `train`, `valid` and `test` to episode indices.

        Raises:
            ValueError: When an episode is in two splits.
            DataError: When an episode is missing or incomplete.
        """
        path = self.root / self.meta.index_name
        write_index(path, self.path, splits, self.meta.env_args)
        return path
