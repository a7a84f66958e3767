"""Bags of ROS: pictures by their stamps, joints between them, and faults by name."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset
from datasets.errors import DamagedDataError, FormatError, MismatchError, MissingDataError
from datasets.formats.detect import open_source
from datasets.formats.rosbag import RosbagSource

rosbag1, rosbag2 = pytest.importorskip("rosbags.rosbag1"), pytest.importorskip("rosbags.rosbag2")
typesys = pytest.importorskip("rosbags.typesys")

KINDS = ("ros1", "sqlite3", "mcap")
# When the recordings begin, in seconds.
START = 1_700_000_000.0
Message = tuple[str, float, Any]  # topic, seconds after the start, content


def store_of(kind: str) -> Any:
    stores = typesys.Stores
    store = typesys.get_typestore(stores.ROS1_NOETIC if kind == "ros1" else stores.ROS2_HUMBLE)
    if kind == "ros1":  # whose usual messages lack that of transforms
        text = "geometry_msgs/TransformStamped[] transforms"
        store.register(typesys.get_types_from_msg(text, "tf2_msgs/msg/TFMessage"))
    return store


def header(kind: str, seconds: float, frame: str = "") -> Any:
    types = store_of(kind).types
    stamp = types["builtin_interfaces/msg/Time"](int(seconds), round(seconds % 1 * 1e9))
    numbered = {"seq": 0} if kind == "ros1" else {}
    return types["std_msgs/msg/Header"](**numbered, stamp=stamp, frame_id=frame)


def picture(
    kind: str, number: int, seconds: float, encoding: str = "rgb8", size: tuple[int, int] = (8, 12)
) -> Any:
    """A picture whose red is its number."""
    height, width = size
    colours = np.zeros((height, width, 3), np.uint8)
    colours[..., 0] = number
    if encoding == "bgr8":
        colours = colours[..., ::-1]
    rows = np.zeros((height, width * 3 + 4), np.uint8)  # rows are padded to words by some cameras
    rows[:, : width * 3] = colours.reshape(height, -1)
    image = store_of(kind).types["sensor_msgs/msg/Image"]
    return image(header(kind, seconds), height, width, encoding, 0, rows.shape[1], rows.reshape(-1))


def jpeg(kind: str, number: int, seconds: float, form: str = "jpeg") -> Any:
    buffer = io.BytesIO()
    Pillow.fromarray(np.full((8, 12, 3), number, np.uint8)).save(buffer, "png")
    content = np.frombuffer(buffer.getvalue(), np.uint8)
    compressed = store_of(kind).types["sensor_msgs/msg/CompressedImage"]
    return compressed(header(kind, seconds), form, content)


def joints(kind: str, seconds: float, names: list[str], values: list[float]) -> Any:
    state = store_of(kind).types["sensor_msgs/msg/JointState"]
    none = np.zeros(0)
    return state(header(kind, seconds), names, np.array(values), none, none)


def record(path: Path, messages: Iterable[Message], kind: str) -> Path:
    store = store_of(kind)
    if kind == "ros1":
        path = path.with_suffix(".bag")
        writer = rosbag1.Writer(path)
    else:
        plugin = rosbag2.StoragePlugin.MCAP if kind == "mcap" else rosbag2.StoragePlugin.SQLITE3
        writer = rosbag2.Writer(path, version=9, storage_plugin=plugin)
    connections: dict[str, Any] = {}
    with writer:
        for topic, seconds, message in sorted(messages, key=lambda entry: entry[1]):
            name = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, name, typestore=store)
            write = store.serialize_ros1 if kind == "ros1" else store.serialize_cdr
            # It is recorded 30 ms after it was taken.
            logged = round((START + seconds + 0.03) * 1e9)
            writer.write(connections[topic], logged, write(message, name))
    return path


def frames(kind: str, topic: str, hz: float, count: int, late: float = 0.0) -> list[Message]:
    times = late + np.arange(count) / hz
    return [(topic, t, picture(kind, k, START + t)) for k, t in enumerate(times)]


def usual(kind: str) -> list[Message]:
    """Two cameras of 10 and 30 frames a second, and joints at 50, of which one turns by 1 rad/s."""
    states = [
        ("/joint_states", t, joints(kind, START + t, ["a", "b"], [t, -0.5]))
        for t in np.arange(0, 1.5, 0.02)
    ]
    second = frames(kind, "/side/color/image_raw", 30, 45, late=0.2)
    return [*frames(kind, "/ego/image_raw", 10, 14), *second, *states]


def numbers(images: Iterable[np.ndarray]) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in images]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_views_are_paired_by_their_stamps_and_joints_are_read_between_them(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = record(tmp_path / "take", usual(kind), kind)
    with caplog.at_level(logging.WARNING):
        source = open_source(path)
    assert isinstance(source, RosbagSource)
    assert source.views == ["ego", "side_color"] and source.frame_size == (8, 12)
    assert source.meta.control_hz == pytest.approx(10)
    # From 0.2 s, when the second camera begins, to 1.3 s, when the first one ends.
    assert source.lengths == [12] and "side_color (45 frames)" in caplog.text
    episode = source.lazy_episode(0)
    assert numbers(episode.images["ego"]) == list(range(2, 14))
    assert numbers(episode.images["side_color"]) == list(range(0, 36, 3))
    assert numbers(source.images(0, "side_color", [7, 1])) == [21, 3]
    expected = np.stack([0.2 + np.arange(12) / 10, np.full(12, -0.5)], axis=1)
    assert episode.observations["joint_states"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("clock", "hz"), [(2.0, 5), (0.0, 10)])
def test_a_clock_that_begins_at_0_is_a_clock_and_one_that_stays_there_is_none(
    tmp_path: Path, clock: float, hz: float
) -> None:
    kind, times = "mcap", np.arange(5) / 10
    messages = [
        message
        for k, t in enumerate(times)
        for message in (
            ("/ego/image_raw", t, picture(kind, k, clock * t)),
            ("/joint_states", t, joints(kind, clock * t, ["a"], [float(k)])),
        )
    ]
    source = RosbagSource(record(tmp_path / "take", messages, kind))
    assert source.meta.control_hz == pytest.approx(hz, rel=1e-4)
    episode = source.episode(0)
    assert numbers(episode.images["ego"]) == [0, 1, 2, 3, 4]
    assert episode.observations["joint_states"][:, 0] == pytest.approx(np.arange(5), abs=1e-4)


@pytest.mark.slow
def test_joints_without_positions_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kind, times = "mcap", np.arange(0, 1.5, 0.02)
    velocities = [("/wheels", t, joints(kind, START + t, ["left", "right"], [])) for t in times]
    # The gripper's driver publishes once before its first reading.
    first = ("/joint_states", 0.0, joints(kind, START, ["a", "b"], []))
    with caplog.at_level(logging.WARNING):
        path = record(tmp_path / "take", [*usual(kind), *velocities, first], kind)
        episode = RosbagSource(path).episode(0)
    assert "no message of wheels has positions of joints" in caplog.text
    assert list(episode.observations) == ["joint_states"]


@pytest.mark.slow
def test_a_folder_of_bags_becomes_a_data_set(tmp_path: Path) -> None:
    takes = tmp_path / "takes"
    takes.mkdir()
    for take, kind in enumerate(KINDS):
        record(takes / f"take_{take}", usual(kind), kind)
    out = tmp_path / "episodes"
    convert(ConvertConfig(takes, out, "episodes", size=16, split="1,1,1"))
    data = EpisodeDataset(out)
    assert data.names == ["demo_0", "demo_1", "demo_2"] and data.lengths == [12, 12, 12]
    assert data.episode(2).observations["joint_states"].shape == (12, 2)


@pytest.mark.slow
def test_compressed_pictures_copies_and_depth(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kind, times = "sqlite3", np.arange(5) / 10
    messages = [
        *frames(kind, "/front/image_raw", 10, 5),
        *[("/front/image_raw/compressed", t, jpeg(kind, 99, START + t)) for t in times],
        *[("/top/image/compressed", t, jpeg(kind, 7, START + t)) for t in times],
        *[("/front/depth", t, picture(kind, 0, START + t, "16UC1")) for t in times],
        *[("/d", t, jpeg(kind, 0, START + t, "16UC1; compressedDepth")) for t in times],
    ]
    with caplog.at_level(logging.WARNING):
        source = RosbagSource(record(tmp_path / "take", messages, kind))
    assert "depth is not read: /d, /front/depth" in caplog.text
    assert "/front/image_raw is read, and /front/image_raw/compressed is not" in caplog.text
    episode = source.episode(0)
    assert numbers(episode.images["front"]) == list(range(5))
    assert numbers(episode.images["top"]) == [7] * 5


def test_colours_are_in_the_order_of_the_encoding(tmp_path: Path) -> None:
    times = np.arange(3) / 10
    messages = [("/cam/image", t, picture("mcap", 200, START + t, "bgr8")) for t in times]
    source = RosbagSource(record(tmp_path / "take", messages, "mcap"))
    assert (source.images(0, "cam", [0])[0] == [200, 0, 0]).all()


@pytest.mark.slow
def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    kind = "mcap"
    states = [("/joint_states", t, joints(kind, START + t, ["a"], [0.0])) for t in (0, 0.1, 0.2)]
    with pytest.raises(MissingDataError, match="no topic of pictures"):
        RosbagSource(record(tmp_path / "blind", states, kind))
    with pytest.raises(MismatchError, match=r"joint_states, a has no value within 0\.100 s"):
        late = [*frames(kind, "/cam/image", 10, 10), *states]
        RosbagSource(record(tmp_path / "joints_stop", late, kind))
    with pytest.raises(MismatchError, match="clocks"):
        apart = [*frames(kind, "/a/image", 10, 5), *frames(kind, "/b/image", 10, 5, late=9)]
        RosbagSource(record(tmp_path / "apart", apart, kind))
    with pytest.raises(FormatError, match="bayer_rggb8"):
        raw = [("/c/image", t, picture(kind, 0, START + t, "bayer_rggb8")) for t in (0, 0.1)]
        RosbagSource(record(tmp_path / "bayer", raw, kind)).episode(0)
    other = record(tmp_path / "two" / "b", usual(kind), kind)
    record(other.parent / "a", frames(kind, "/cam/image", 10, 10), kind)
    with pytest.raises(MismatchError, match="all episodes need the same"):
        RosbagSource(other.parent)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_bag_is_named(tmp_path: Path, kind: str) -> None:
    path = record(tmp_path / "take", usual(kind), kind)
    file = path if path.is_file() else next(f for f in path.iterdir() if f.suffix != ".yaml")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 3])
    with pytest.raises(DamagedDataError, match=str(path)):
        RosbagSource(path)
