"""Recordings of ROS: bags of ROS 1, and of ROS 2 in SQLite or MCAP. Each one is an episode.

    recordings/take_1.bag
    recordings/take_2/metadata.yaml  take_2_0.mcap

Topics of pictures become views, those of joint states become observations, and camera_info with
static transforms become the cameras of the views.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from datasets.errors import DamagedDataError, DataError, MismatchError, MissingDataError, require
from datasets.formats.pairing import pair_by_clock
from datasets.formats.ros_cameras import INFO, STATIC, TRANSFORMS, RecordedCameras
from datasets.formats.ros_messages import (
    COMPRESSED,
    JOINTS,
    RAW,
    JointSeries,
    decode,
    is_depth,
    size_of,
    stamp_of,
    topic_times,
    view_of,
)
from datasets.frames import LazyFrames, Picture
from datasets.kinematics.rig import RigCamera
from datasets.lens import distorting
from datasets.source import Source, bare_episode, bare_meta, in_memory
from datasets.storage.episode_file import EGO, Episode
from datasets.storage.own_files import own_files

logger = logging.getLogger(__name__)

_EXTRA = "ros"
_ROS1, _ROS2 = ".bag", "metadata.yaml"
# Rates that are measured from times differ by less than this share where they are meant to agree.
_SAME_RATE = 0.05


@dataclass
class _Topic:
    """The pictures of one topic.

    Attributes:
        name: The topic.
        size: Height and width of its first picture.
        stamps: The stamps of its pictures' headers, in seconds.
        logged: Times at which they were recorded, in nanoseconds, which find them in the file.
    """

    name: str
    size: tuple[int, int]
    stamps: list[float] = field(default_factory=list)
    logged: list[int] = field(default_factory=list)


@dataclass
class _Recording:
    """The content of one bag."""

    path: Path
    views: dict[str, _Topic] = field(default_factory=dict)
    joints: dict[str, JointSeries] = field(default_factory=dict)
    picks: dict[str, Int64[np.ndarray, " time"]] = field(default_factory=dict)
    positions: dict[str, Float[np.ndarray, "time joints"]] = field(default_factory=dict)
    cameras: dict[str, RigCamera] = field(default_factory=dict)


class RosbagSource(Source):
    """A bag of ROS, or a folder of bags."""

    title = "bags of ROS"
    looks_like = "take_1.bag, or take_1/metadata.yaml with take_1_0.mcap or take_1_0.db3"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether `path` is a bag, or a folder that holds one."""
        return bool(_bags(path))

    def __init__(self, path: Path) -> None:
        """Reads the times of all pictures and all joint states.

        The time steps of an episode are evenly spaced at the rate of its slowest view, within the
        span that all views have. The other views give the frames nearest in time.

        Raises:
            DataError: When a bag cannot be read or has no pictures, or bags differ in their views
                or their rate; or when rosbags is not installed.
        """
        self.root = path
        self._recordings = [_scan(bag) for bag in _bags(path)]
        first = self._recordings[0]
        views = list(first.views)
        rates = [_pair(recording) for recording in self._recordings]
        for recording, rate in zip(self._recordings, rates, strict=True):
            if set(recording.views) != set(views):
                raise MismatchError(
                    f"{recording.path} has the views {sorted(recording.views)}, {first.path} "
                    f"{sorted(views)}; all episodes need the same. Convert them apart."
                )
            if abs(rate / rates[0] - 1) > _SAME_RATE:
                raise MismatchError(
                    f"{recording.path} has {rate:.4g} time steps a second, {first.path} "
                    f"{rates[0]:.4g}; all episodes of a data set need one rate. Convert them apart."
                )
        self.names = [recording.path.stem for recording in self._recordings]
        self.lengths = [len(recording.picks[views[0]]) for recording in self._recordings]
        self.frame_size = first.views[views[0]].size
        name = path.resolve().stem if path.is_file() else path.resolve().name
        self.meta = bare_meta(name, views, self.frame_size[0], float(np.median(rates)))

    def episode(self, i: int) -> Episode:
        """Reads the pictures and the joints of a bag."""
        return in_memory(self.lazy_episode(i))

    def lazy_episode(self, i: int) -> Episode:
        """The joints of a bag, and its pictures, which are read as they are used."""
        recording = self._recordings[i]
        episode = bare_episode(
            {view: _frames(recording, view, recording.picks[view]) for view in self.views}
        )
        cameras = recording.cameras.items()
        return replace(
            episode,
            observations=recording.positions,
            intrinsics={view: camera.intrinsics for view, camera in cameras},
            world_to_camera={view: camera.pose for view, camera in cameras},
            lenses=distorting({view: camera.lens for view, camera in cameras}),
        )

    def has_keypoints(self, i: int) -> bool:
        """Bags have no keypoints."""
        return False


def _bags(path: Path) -> list[Path]:
    if _is_bag(path):
        return [path]
    return list(filter(_is_bag, own_files(path.iterdir()))) if path.is_dir() else []


def _is_bag(path: Path) -> bool:
    return path.suffix == _ROS1 if path.is_file() else (path / _ROS2).is_file()


@cache
def _usual_types() -> Any:
    """The definitions of messages, for bags of ROS 2 before Iron, which do not hold them."""
    types = require("rosbags.typesys", _EXTRA)
    return types.get_typestore(types.Stores.ROS2_HUMBLE)


def _messages(
    path: Path, chosen: Callable[[Any], bool], **span: int
) -> Iterator[tuple[str, int, Any]]:
    """Topic, recorded time and content of the messages of some connections, in order.

    Args:
        path: The bag.
        chosen: Whether to read a connection.
        span: `start` and `stop`, in nanoseconds; `stop` itself is left out.

    Raises:
        DamagedDataError: When the bag cannot be read.
    """
    rosbags = require("rosbags.highlevel", _EXTRA)
    try:
        with rosbags.AnyReader([path], default_typestore=_usual_types()) as reader:
            connections = [c for c in reader.connections if chosen(c)]
            if not connections:
                return
            for connection, logged, raw in reader.messages(connections, **span):
                message = reader.deserialize(raw, connection.msgtype)
                yield connection.topic, logged, message
    except (rosbags.AnyReaderError, OSError, ValueError, KeyError, IndexError) as error:
        raise DamagedDataError(
            f"{path} cannot be read as a bag ({error}). Repair it with `rosbag reindex` or "
            "`ros2 bag reindex`, or leave it out."
        ) from error


def _scan(path: Path) -> _Recording:
    """Reads times, joints and cameras of a bag in one pass, and leaves depth out."""
    topics: dict[str, _Topic] = {}
    depth: set[str] = set()
    found, cameras = _Recording(path), RecordedCameras()
    kinds = (RAW, COMPRESSED, JOINTS, INFO)

    def chosen(connection: Any) -> bool:
        static = connection.msgtype == TRANSFORMS and connection.topic.endswith(STATIC)
        return static or connection.msgtype in kinds

    for topic, logged, message in _messages(path, chosen):
        if hasattr(message, "transforms"):
            cameras.add_transforms(message)
            continue
        if hasattr(message, "distortion_model"):
            cameras.add_info(topic, message)
            continue
        if hasattr(message, "position"):
            name = view_of(topic)
            series = found.joints.setdefault(name, JointSeries())
            series.add(message, logged, f"{path}, {topic}")
        elif topic in depth or is_depth(message):
            depth.add(topic)
        else:
            if topic not in topics:
                topics[topic] = _Topic(topic, size_of(message, f"{path}, {topic}, frame 0"))
            topics[topic].stamps.append(stamp_of(message))
            topics[topic].logged.append(logged)
    if depth:
        logger.warning("%s: depth is not read: %s", path, ", ".join(sorted(depth)))
    _leave_out_empty(found)
    found.views = _views(path, topics)
    found.cameras = _cameras(found, cameras)
    for name, series in found.joints.items():
        logger.info("%s: the columns of %s are %s", path, name, ", ".join(series.samples))
    return found


def _cameras(recording: _Recording, cameras: RecordedCameras) -> dict[str, RigCamera]:
    """The cameras of all views; none, with a message, where one of them is not known."""
    views = {view: (topic.name, topic.size) for view, topic in recording.views.items()}
    try:
        return cameras.cameras(views)
    except DataError as error:
        logger.warning("%s: its cameras are not read: %s", recording.path, error)
        return {}


def _leave_out_empty(recording: _Recording) -> None:
    """Leaves out topics of joints whose messages never held a position, and says so."""
    empty = [name for name, series in recording.joints.items() if not series.samples]
    for name in empty:
        del recording.joints[name]
    if empty:
        logger.warning(
            "%s: no message of %s has positions of joints", recording.path, ", ".join(empty)
        )


def _views(path: Path, topics: dict[str, _Topic]) -> dict[str, _Topic]:
    """View to topic, the first-person view first; of a picture and its copies the first one."""
    if not topics:
        raise MissingDataError(f"{path} has no topic of pictures ({RAW} or {COMPRESSED}).")
    views: dict[str, _Topic] = {}
    # A raw topic comes before its compressed copy, whose name is longer.
    for topic in sorted(topics, key=len):
        view = view_of(topic)
        if view in views:
            logger.warning("%s: %s is read, and %s is not", path, views[view].name, topic)
        else:
            views[view] = topics[topic]
    return dict(sorted(views.items(), key=lambda item: (item[0] != EGO, item[0])))


def _pair(recording: _Recording) -> float:
    """Finds the time steps of an episode and their frames, and returns steps a second."""
    times = {
        view: topic_times(topic.stamps, topic.logged) for view, topic in recording.views.items()
    }
    name = str(recording.path)
    recording.picks, grid = pair_by_clock(times, name)
    step = float(grid[1] - grid[0])
    recording.positions = {
        topic: series.at(grid, step, f"{name}, {topic}")
        for topic, series in recording.joints.items()
    }
    return 1 / step


def _frames(recording: _Recording, view: str, picks: Int64[np.ndarray, " time"]) -> LazyFrames:
    topic = recording.views[view]
    name = f"{recording.path}, {topic.name}"
    shape = (len(picks), *topic.size, 3)
    return LazyFrames(name, shape, partial(_read, recording.path, topic, picks))


def _read(
    path: Path, topic: _Topic, picks: Int64[np.ndarray, " time"], times: Sequence[int]
) -> Iterator[Picture]:
    """The pictures of a topic at growing time steps, of which one is held at a time."""
    wanted = [int(picks[time]) for time in times]
    if not wanted:
        return
    span = {"start": topic.logged[wanted[0]], "stop": topic.logged[wanted[-1]] + 1}
    # Several messages may be of the time that the span begins with.
    number = topic.logged.index(span["start"])
    places = iter(wanted)
    place = next(places)
    for _, _, message in _messages(path, lambda c: c.topic == topic.name, **span):
        while place == number:
            yield decode(message, f"{path}, {topic.name}, frame {number}")
            if (place := next(places, -1)) < 0:
                return
        number += 1
    raise DamagedDataError(f"{path}: {topic.name} has no frame {place} any more. Convert it again.")
