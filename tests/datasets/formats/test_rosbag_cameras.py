"""Cameras of bags: camera_info and static transforms, in ROS 1 and 2."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("rosbags.rosbag1")

from datasets.formats.rosbag import RosbagSource
from datasets.lens import Lens
from tests.datasets.formats.test_rosbag import (
    KINDS,
    START,
    Message,
    frames,
    header,
    record,
    store_of,
)

MATRIX = [9.0, 0, 5.5, 0, 8.0, 3.5, 0, 0, 1]
PROJECTION = [7.0, 0, 5.0, 0, 0, 7.0, 3.0, 0, 0, 0, 1, 0]
SIZE = (8, 12)


def pose(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(rng.normal(size=3)).as_matrix()
    matrix[:3, 3] = rng.normal(size=3)
    return matrix


def info(
    kind: str,
    topic: str,
    frame: str,
    size: tuple[int, int] = SIZE,
    matrix: list[float] = MATRIX,
    lens: tuple[float, ...] = (0.0,) * 5,
) -> Message:
    types = store_of(kind).types
    roi = types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    message = types["sensor_msgs/msg/CameraInfo"](
        header(kind, START, frame),
        *size,
        "plumb_bob",
        np.array(lens),
        np.array(matrix),
        np.eye(3).ravel(),
        np.array(PROJECTION),
        0,
        0,
        roi,
    )
    return topic, 0.01, message


def static(kind: str, *edges: tuple[str, str, np.ndarray], topic: str = "/tf_static") -> Message:
    types = store_of(kind).types
    stamped = []
    for parent, child, matrix in edges:
        x, y, z, w = Rotation.from_matrix(matrix[:3, :3]).as_quat()
        moved = types["geometry_msgs/msg/Vector3"](*map(float, matrix[:3, 3]))
        turned = types["geometry_msgs/msg/Quaternion"](float(x), float(y), float(z), float(w))
        both = types["geometry_msgs/msg/Transform"](moved, turned)
        one = types["geometry_msgs/msg/TransformStamped"]
        stamped.append(one(header(kind, START, parent), child, both))
    return topic, 0.0, types["tf2_msgs/msg/TFMessage"](stamped)


def without_rotation(message: Message) -> Message:
    for stamped in message[2].transforms:
        stamped.transform.rotation.w = 0.0
    return message


def pictures(kind: str, *topics: str) -> list[Message]:
    return [entry for topic in topics for entry in frames(kind, topic, 10, 5)]


TWO = ("/front/color/image_raw", "/side/image_raw")


@pytest.mark.parametrize("kind", KINDS)
def test_static_transforms_place_the_cameras(tmp_path: Path, kind: str, caplog: Any) -> None:
    base, front, side = pose(1), pose(2), pose(3)
    messages = [
        *pictures(kind, *TWO),
        info(kind, "/front/color/camera_info", "front_optical"),
        info(kind, "/side/camera_info", "/side_optical", (16, 24)),
        static(kind, ("map", "base", base), ("base", "front_optical", front)),
        static(kind, ("base", "side_optical", side)),
    ]
    with caplog.at_level(logging.WARNING):
        source = RosbagSource(record(tmp_path / "take", messages, kind))
    assert not caplog.records
    episode = source.sound_episode(0)
    np.testing.assert_allclose(
        episode.world_to_camera["front_color"], np.linalg.inv(base @ front), atol=1e-9
    )
    np.testing.assert_allclose(
        episode.world_to_camera["side"], np.linalg.inv(base @ side), atol=1e-9
    )
    # The first pixel's centre is at 0 in ROS and at half a pixel here.
    expected = np.array([[9.0, 0, 6], [0, 8, 4], [0, 0, 1]])
    np.testing.assert_allclose(episode.intrinsics["front_color"], expected)
    # The pictures of the second camera have half the size that it was calibrated at.
    halved = np.diag([0.5, 0.5, 1]) @ expected
    np.testing.assert_allclose(episode.intrinsics["side"], halved)


def test_rectified_pictures_have_the_projection(tmp_path: Path) -> None:
    messages = [
        *pictures("mcap", "/c/image_rect_color"),
        info("mcap", "/c/camera_info", "optical", lens=(-0.3, 0.1, 0, 0, 0)),
        static("mcap", ("world", "optical", pose(1))),
    ]
    episode = RosbagSource(record(tmp_path / "take", messages, "mcap")).episode(0)
    np.testing.assert_allclose(
        episode.intrinsics["c"], np.array([[7, 0, 5.5], [0, 7, 3.5], [0, 0, 1]])
    )


def test_distortion_is_stored(tmp_path: Path) -> None:
    messages = [
        *pictures("mcap", "/c/image_raw"),
        info("mcap", "/c/camera_info", "optical", lens=(-0.3, 0.1, 0, 0, 0)),
        static("mcap", ("world", "optical", pose(1))),
    ]
    source = RosbagSource(record(tmp_path / "take", messages, "mcap"))
    assert source.episode(0).lens("c") == Lens("plumb_bob", (-0.3, 0.1, 0, 0, 0))


FRONT = "/front/color/camera_info"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "no camera_info beside the pictures of front_color"),
        ([info("mcap", FRONT, "a")], "no static transform leads to the frame a"),
        (
            [info("mcap", FRONT, "a"), static("mcap", ("hand", "a", pose(4)))],
            "lead from no one frame to all views .hand to front_color, world to side",
        ),
        (
            [info("mcap", FRONT, "a"), static("mcap", ("b", "a", pose(4)), ("a", "b", pose(5)))],
            "lead from a to itself",
        ),
        (
            [
                info("mcap", FRONT, "a"),
                without_rotation(static("mcap", ("world", "a", np.eye(4)))),
            ],
            "transform to a has no rotation",
        ),
        (
            [info("mcap", FRONT, "a", matrix=[0.0] * 9), static("mcap", ("world", "a", pose(4)))],
            "the camera is not calibrated",
        ),
        (
            [info("mcap", FRONT, "a", (8, 99)), static("mcap", ("world", "a", pose(4)))],
            "front_color",
        ),
        (
            [info("mcap", FRONT, "a"), static("mcap", ("world", "a", pose(4)), topic="/tf")],
            "no static transform leads to the frame a",
        ),
    ],
)
def test_what_is_missing_is_said_and_the_pictures_are_read(
    tmp_path: Path, more: list[Message], message: str, caplog: Any
) -> None:
    side = [info("mcap", "/side/camera_info", "s"), static("mcap", ("world", "s", pose(1)))]
    path = record(tmp_path / "take", [*pictures("mcap", *TWO), *side, *more], "mcap")
    episode = RosbagSource(path).episode(0)
    assert not episode.intrinsics and len(episode) == 5
    [said] = [r.getMessage() for r in caplog.records if "cameras are not read" in r.getMessage()]
    assert str(path) in said
    assert re.search(message, said)
