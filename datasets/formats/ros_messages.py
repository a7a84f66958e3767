"""Messages of ROS as pictures and joint positions, and names of views from those of topics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from datasets.errors import DamagedDataError, FormatError
from datasets.formats.pairing import values_at
from datasets.frames import Picture
from datasets.pictures import read_picture

RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
JOINTS = "sensor_msgs/msg/JointState"
# Channels of the encodings of 8 bits (sensor_msgs/image_encodings.hpp), and their order in RGB.
_ENCODINGS = {
    "rgb8": (3, [0, 1, 2]),
    "bgr8": (3, [2, 1, 0]),
    "rgba8": (4, [0, 1, 2]),
    "bgra8": (4, [2, 1, 0]),
    "mono8": (1, [0, 0, 0]),
    "8UC1": (1, [0, 0, 0]),
    "8UC3": (3, [2, 1, 0]),
}
_DEPTH = ("16UC1", "32FC1", "mono16")
# Last parts of topics that say what a picture went through, and not which camera took it.
_GENERIC = ("compressed", "image", "image_raw", "image_rect", "image_color", "image_rect_color")


@dataclass
class JointSeries:
    """Positions of joints as they were published.

    Attributes:
        samples: Joint to its values, in radians or metres, each after its header's stamp, in
            seconds, and the time at which it was recorded, in nanoseconds. Joints are in the order
            in which they first appear.
    """

    samples: dict[str, list[tuple[float, int, float]]] = field(default_factory=dict)

    def add(self, message: Any, logged: int, name: str) -> None:
        """Appends the joints of a `sensor_msgs/JointState`, recorded at a time in nanoseconds.

        A message without positions adds nothing: its publisher gives velocities or efforts alone,
        which the message type allows.

        Raises:
            DamagedDataError: When it has positions, and another number of them than of names.
        """
        if not len(message.position):
            return
        if len(message.name) != len(message.position):
            raise DamagedDataError(
                f"{name}: a message has {len(message.name)} names of joints and "
                f"{len(message.position)} positions. Leave the recording out."
            )
        stamp = stamp_of(message)
        for joint, value in zip(message.name, message.position, strict=True):
            self.samples.setdefault(joint, []).append((stamp, logged, float(value)))

    def at(
        self, times: Float[np.ndarray, " time"], within: float, name: str
    ) -> Float[np.ndarray, "time joints"]:
        """Positions at some times, linear between the published ones and constant beyond them.

        Args:
            times: The times in seconds.
            within: How far a published value may be from a time.
            name: The recording and the topic, for messages.

        Raises:
            MismatchError: When a joint has no value near a time.
        """
        columns = []
        for joint, samples in self.samples.items():
            stamps, logged, values = zip(*sorted(samples), strict=True)
            known = topic_times(stamps, logged)
            columns.append(values_at(times, known, np.array(values), within, f"{name}, {joint}"))
        return np.stack(columns, axis=1)


def stamp_of(message: Any) -> float:
    """The stamp of a message's header, in seconds; 0 where it is not set."""
    stamp = message.header.stamp
    return float(stamp.sec + stamp.nanosec * 1e-9)


def topic_times(stamps: Sequence[float], logged: Sequence[int]) -> Float[np.ndarray, " messages"]:
    """Times of a topic's messages, in seconds.

    Args:
        stamps: Those of their headers, in seconds. A simulator's clock begins at 0, so that a
            single 0 is a time; where all are 0, the publisher sets none.
        logged: When they were recorded, in nanoseconds.
    """
    return np.array(stamps) if any(stamps) else np.array(logged) * 1e-9


def view_of(topic: str) -> str:
    """The name of a view: the topic's parts but for the last generic ones.

    `/front/color/image_raw/compressed` is `front_color`.
    """
    parts = [part for part in topic.split("/") if part]
    while len(parts) > 1 and parts[-1] in _GENERIC:
        parts.pop()
    return "_".join(parts)


def is_depth(message: Any) -> bool:
    """Whether an image message holds depth."""
    if hasattr(message, "encoding"):
        return message.encoding in _DEPTH
    return "compressedDepth" in message.format or message.format.startswith(_DEPTH)


def size_of(message: Any, name: str) -> tuple[int, int]:
    """Height and width of an image message; errors as in `decode`."""
    if hasattr(message, "encoding"):
        return message.height, message.width
    height, width, _ = decode(message, name).shape
    return height, width


def decode(message: Any, name: str) -> Picture:
    """An image message as RGB.

    Args:
        message: A `sensor_msgs/Image` or `sensor_msgs/CompressedImage`.
        name: The recording, the topic and the frame, for messages.

    Raises:
        FormatError: When its encoding is not supported.
        DamagedDataError: When it holds too few bytes, or cannot be decompressed.
    """
    if not hasattr(message, "encoding"):
        return read_picture(bytes(message.data), name)
    if message.encoding not in _ENCODINGS:
        raise FormatError(
            f"{name} has the encoding {message.encoding}; those that are read are "
            f"{', '.join(_ENCODINGS)}. Record the topic of image_proc that has colours."
        )
    channels, order = _ENCODINGS[message.encoding]
    height, width, step = message.height, message.width, message.step
    content = np.asarray(message.data, np.uint8)
    if step < width * channels or len(content) < height * step:
        raise DamagedDataError(
            f"{name} has {len(content)} bytes, which are too few for {height} rows of {step}. "
            "Leave the recording out."
        )
    # Rows may be longer than their pixels.
    rows = content[: height * step].reshape(height, step)[:, : width * channels]
    return np.ascontiguousarray(rows.reshape(height, width, channels)[..., order])
