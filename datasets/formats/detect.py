"""Opens a data set after finding out which known format it has."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from shlex import quote

from datasets.episodes import EPISODE_FOLDER, EpisodeDataset
from datasets.errors import DamagedDataError, FormatError, MissingDataError
from datasets.formats.ftpv import FtpvSource
from datasets.formats.image_folders import ImageFolderSource
from datasets.formats.lerobot import LeRobotSource
from datasets.formats.maniskill import ManiSkillSource
from datasets.formats.numbered import PICTURE_SUFFIXES
from datasets.formats.robomimic import RobomimicSource
from datasets.formats.rosbag import RosbagSource
from datasets.formats.unpaired import UnpairedSource
from datasets.formats.videos import VideoSource
from datasets.source import Source
from datasets.storage.checks import WRITE_INDEX_AGAIN, check_episode
from datasets.storage.episode_file import SPLITS, Episode
from datasets.storage.index import read_splits, require_disjoint
from datasets.storage.meta import META_NAME, DatasetMeta
from datasets.storage.own_files import own_files
from datasets.video import VIDEO_SUFFIXES


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

    @cached_property
    def splits(self) -> dict[str, list[int]]:
        """Positions of the episodes of each split.

        Raises:
            MismatchError: When an episode is in two splits.
        """
        splits = read_splits(self._data.index_path)
        require_disjoint(splits, self._data.index_path, WRITE_INDEX_AGAIN)
        members = {split: set(splits.get(split, ())) for split in SPLITS}
        return {
            split: [i for i, name in enumerate(self.names) if name in members[split]]
            for split in SPLITS
        }

    def episode(self, i: int) -> Episode:
        """Reads a whole episode into memory."""
        check_episode(self._data.paths[i], self.meta, self.views, need_keypoints=False)
        return self._data.episode(i)


# The first format that recognizes a path opens it.
FORMATS: tuple[type[Source], ...] = (
    EpisodesSource,
    LeRobotSource,
    FtpvSource,
    # Before that of videos, which would take its folders for episodes.
    UnpairedSource,
    # Before robomimic's, which takes any HDF5 file.
    ManiSkillSource,
    RobomimicSource,
    RosbagSource,
    VideoSource,
    ImageFolderSource,
)

# Folders of a data set, and how deep files lie in it at most.
_OUR_PARTS, _LEROBOT_PARTS, _DEEPEST = {EPISODE_FOLDER}, {"meta", "data", "videos", "images"}, 4
# Endings of data sets of one file, and of the files in bags of ROS 2.
_SINGLE, _OF_BAGS = {".h5", ".hdf5"}, {".mcap", ".db3"}


def format_of(path: Path) -> type[Source]:
    """The format of the data at a path, judged by the names of files alone.

    Raises:
        DataError: When the path does not exist, cannot be read, or has no known format; lists the
            known formats.
    """
    if not path.exists():
        raise MissingDataError(f"{path} does not exist.")
    if path.is_file():
        _require_readable(path)
    if (whole := _whole(path)) is not None:
        raise FormatError(f"{path} is a part of the data set {whole}. Name that folder.")
    for known in FORMATS:
        if known.recognizes(path):
            return known
    listed = "; ".join(f"{known.title}: {known.looks_like}" for known in FORMATS)
    why = f"{path} is in none of the known formats ({listed}). An action data set needs --format."
    raise FormatError(" ".join([why, *_hints(path)]))


def _require_readable(path: Path) -> None:
    """Refuses a file that is locked or on a faulty disk; HDF5's own test then fails otherwise."""
    with path.open("rb") as file:
        try:
            file.read(1)
        except OSError as error:
            raise DamagedDataError(
                f"{path} cannot be read ({error.strerror}). Check its disk, or copy it again."
            ) from error


def _hints(path: Path) -> Iterator[str]:
    """What to do with files of known kinds, which lie in the wrong place or under a wrong name."""
    seen = {*VIDEO_SUFFIXES, *PICTURE_SUFFIXES}
    if path.is_dir() and (lost := next(_files(path, seen), None)) is not None:
        yield (
            f"The place or name of {lost} is not read: name videos EPISODE/VIEW.mp4, and pictures "
            "EPISODE/VIEW/000000.png, 000001.png and so on, and give the folder of the episodes."
        )
    if path.is_dir() and (single := next(_files(path, _SINGLE), None)) is not None:
        yield f"A data set of one file is named itself: {single}."
    if (part := next(_files(path, _OF_BAGS), None)) is not None:
        bag = part.parent
        yield (
            f"{part} is a part of a bag of ROS 2: name the folder of its metadata.yaml, which "
            f"`ros2 bag reindex {quote(str(bag))}` writes where it is missing."
        )


def _whole(path: Path) -> Path | None:
    """The data set that a file or folder is a part of; None where it is none."""
    for above in path.absolute().parents[:_DEEPEST]:
        place = path.absolute().relative_to(above).parts[0]
        if (place in _OUR_PARTS and EpisodesSource.recognizes(above)) or (
            place in _LEROBOT_PARTS and LeRobotSource.recognizes(above)
        ):
            return above
    return None


def _files(path: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """The path itself, or files in and below it, where they end in one of `suffixes`."""
    if path.is_file() and path.suffix.lower() in suffixes:
        yield path
    for depth in range(1, _DEEPEST) if path.is_dir() else ():
        for file in own_files(path.glob("*/" * (depth - 1) + "*")):
            if file.suffix.lower() in suffixes and file.is_file():
                yield file


def open_source(path: Path | str) -> Source:
    """Opens a data set of any known format.

    Raises:
        DataError: When the format is unknown or the data cannot be used.
    """
    path = Path(path)
    beside = path.is_file() and (path.parent / META_NAME).is_file()
    if beside and path.name in (META_NAME, DatasetMeta.load(path.parent).index_name):
        path = path.parent  # the file is of a data set in our own format
    return format_of(path)(path)
