"""Opens a data set after finding out which known format it has."""

from __future__ import annotations

from pathlib import Path

from datasets.episodes import EpisodeDataset
from datasets.errors import FormatError, MissingDataError
from datasets.formats.ftpv import FtpvSource
from datasets.formats.lerobot import LeRobotSource
from datasets.formats.robomimic import RobomimicSource
from datasets.formats.videos import VideoSource
from datasets.source import Source
from datasets.storage.episode_file import SPLITS, Episode
from datasets.storage.index import read_splits
from datasets.storage.meta import META_NAME


class EpisodesSource(Source):
    """A data set in this project's own format."""

    title = "a data set of episodes"
    looks_like = "meta.json, lift.hdf5, episodes/000000.hdf5"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether there is a `meta.json`."""
        return (path / META_NAME).is_file()

    def __init__(self, path: Path) -> None:
        """Opens the index and reads every episode's length."""
        self.root = path
        self._data = EpisodeDataset(path)
        self.meta = self._data.meta
        self.frame_size = (self.meta.image_size, self.meta.image_size)
        self.names, self.lengths = self._data.names, self._data.lengths
        members = read_splits(self._data.index_path)
        self.splits = {
            split: [i for i, name in enumerate(self.names) if name in set(members.get(split, ()))]
            for split in SPLITS
        }

    def episode(self, i: int) -> Episode:
        """Reads a whole episode into memory."""
        return self._data.episode(i)


# The first format that recognizes a path opens it.
FORMATS: tuple[type[Source], ...] = (
    EpisodesSource,
    LeRobotSource,
    FtpvSource,
    RobomimicSource,
    VideoSource,
)


def format_of(path: Path) -> type[Source]:
    """The format of the data at a path, judged by the names of files alone.

    Raises:
        DataError: When the path does not exist or has no known format; lists the known formats.
    """
    if not path.exists():
        raise MissingDataError(f"{path} does not exist.")
    for known in FORMATS:
        if known.recognizes(path):
            return known
    listed = "".join(f"\n  {known.title}: {known.looks_like}" for known in FORMATS)
    raise FormatError(
        f"{path} is in none of the known formats:{listed}\nAn action data set needs --format."
    )


def open_source(path: Path) -> Source:
    """Opens a data set of any known format.

    Raises:
        DataError: When the format is unknown or the data cannot be used.
    """
    if path.is_file() and (path.parent / META_NAME).is_file():
        path = path.parent  # the file is the index of a data set in our own format
    return format_of(path)(path)
