"""Frames of a video by their number, and all of them in order."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import Int64, UInt8

from datasets.errors import DamagedDataError, FormatError
from datasets.frames import LazyFrames, Picture
from datasets.video.container import (
    MISCOUNT,
    Timetable,
    from_first_key,
    open_video,
    require_as_declared,
    timetable,
    video_shape,
)
from datasets.video.upright import Orientation

# A seek discards the decoder's state, which costs more than decoding this many frames.
MIN_SKIP = 6


class Window(NamedTuple):
    """Rows and columns of a picture."""

    rows: slice
    columns: slice


def read_frames(
    video: Path, indices: Sequence[int] | np.ndarray, window: Window | None = None
) -> UInt8[np.ndarray, "time height width 3"]:
    """Decodes the frames at `indices`, in that order, repeats allowed, as RGB and upright.

    Args:
        video: File of the video.
        indices: Numbers of frames, from 0.
        window: The part of each frame to return; by default the whole frame.

    Raises:
        DataError: When the video cannot be decoded, has fewer frames, or has damaged ones.
    """
    window = window or Window(slice(None), slice(None))
    wanted = np.asarray(indices, dtype=np.int64)
    # A copy of the window, so that the memory of the whole frame is freed.
    found = {i: np.ascontiguousarray(f[window]) for i, f in stream_frames(video, np.unique(wanted))}
    frames = [found[int(index)] for index in wanted]
    if len({frame.shape for frame in frames}) > 1:
        raise FormatError(f"{video} changes its size; encode it again at one size.")
    if not frames:
        return np.empty((0, *video_shape(video)[1:3], 3), np.uint8)[:, window.rows, window.columns]
    return np.stack(frames)


def stream_frames(
    video: Path, indices: Sequence[int] | np.ndarray
) -> Iterator[tuple[int, Picture]]:
    """Decodes the frames at growing indices, one at a time, as pairs of index and RGB.

    Where it saves time, it seeks to the key frame before a wanted frame; otherwise it decodes on.
    Where a seek misses its frame, or the decoder says that a frame is corrupt after it, as in an
    open group of pictures, it decodes from the start.

    Raises:
        DataError: When the video cannot be decoded, has fewer frames, or has damaged ones.
    """
    left = deque(int(index) for index in indices)
    if left and left[0] < 0:
        raise ValueError(f"frames are counted from 0, got {left[0]}")
    with open_video(video) as (container, stream):
        table = timetable(container, stream)
    if left and left[-1] >= table.frames:
        require_as_declared(video, table.frames)
        if left[-1] >= video_shape(video).frames:
            raise _undecodable(video, left[-1])
    from_start = Timetable(table.frames, table.times)
    for plan in (table, from_start) if table.keys else (from_start,):
        if not left:
            return
        with open_video(video) as (container, stream):
            for index, frame in _decode(container, stream, list(left), plan):
                left.popleft()
                yield index, frame
    if left:
        raise _undecodable(video, left[0])


def lazy_frames(video: Path, indices: Int64[np.ndarray, " time"]) -> LazyFrames:
    """The frames at indices that never decrease, decoded as they are used.

    Raises:
        DataError: When the video cannot be opened.
    """

    def read(times: Sequence[int]) -> Iterator[Picture]:
        distinct, repeats = np.unique(indices[np.asarray(times, np.int64)], return_counts=True)
        for (_, frame), count in zip(stream_frames(video, distinct), repeats, strict=True):
            yield from (frame for _ in range(count))

    _, height, width, _ = video_shape(video)
    return LazyFrames(str(video), (len(indices), height, width, 3), read)


def iterate_frames(video: Path) -> Iterator[Picture]:
    """Decodes every frame in order, one at a time, as RGB and upright.

    Raises:
        DataError: When the video cannot be decoded, or has damaged frames.
    """
    with open_video(video) as (container, stream):
        table = timetable(container, stream)
    require_as_declared(video, table.frames)
    count = 0
    to_rgb = _Converter(video)
    with open_video(video) as (container, stream):
        for index, frame, whole in _numbered(container, stream, table.times):
            if index != count or not whole:
                raise _undecodable(video, count)
            count += 1
            yield to_rgb(frame)
    if count < table.frames - (0 if table.times is not None else MISCOUNT):
        raise _undecodable(video, count)


def _undecodable(video: Path, index: int) -> DamagedDataError:
    return DamagedDataError(
        f"{video} has no frame {index} that can be decoded; copy it again, or leave its clip out."
    )


def _decode(
    container: InputContainer, stream: VideoStream, targets: Sequence[int], table: Timetable
) -> Iterator[tuple[int, Picture]]:
    """Decodes the targets up to the first that does not exist or is damaged."""
    to_rgb = _Converter(container.name)
    frames = _numbered(container, stream, table.times)
    current, frame, whole = -1, None, True
    for target in targets:
        key = bisect_right(table.keys, target) - 1
        if key >= 0 and table.keys[key] - current > MIN_SKIP:
            container.seek(table.places[key], stream=stream)
            frames = _numbered(container, stream, table.times)
            current, frame = -1, None
        while current < target and (following := next(frames, None)) is not None:
            current, frame, whole = following
        # A header that miscounts declares frames that the file does not hold.
        late = target - current
        miscounted = table.times is None or target >= table.frames
        if frame is None or not whole or not 0 <= late <= (MISCOUNT if miscounted else 0):
            return
        yield target, to_rgb(frame)


def _numbered(
    container: InputContainer, stream: VideoStream, times: np.ndarray | None
) -> Iterator[tuple[int, VideoFrame, bool]]:
    """Frames from here on: number, frame, and whether it is whole.

    Frames are numbered by their times, or counted from 0 without them. A frame that the decoder
    marks as corrupt damages those that follow it up to the next key frame. Where times contradict
    the order of decoded frames, no frame from there on is whole.
    """
    whole, trusted, index = True, True, -1
    for packet in from_first_key(container, stream):
        for frame in packet.decode():
            before, index = index, index + 1
            if times is not None:
                index = -1 if frame.pts is None else int(np.searchsorted(times, frame.pts))
                known = 0 <= index < len(times) and times[index] == frame.pts
                trusted = trusted and known and index > before
            whole = not frame.is_corrupt and (whole or bool(frame.key_frame))
            yield index, frame, whole and trusted


class _Converter:
    """Converts decoded frames of one video to upright RGB in this thread."""

    def __init__(self, video: Path | str) -> None:
        self._video = video
        self._reformatter = VideoReformatter()  # keeps its setup from frame to frame
        self._orientation: Orientation | None = None

    def __call__(self, frame: VideoFrame) -> Picture:
        self._orientation = self._orientation or Orientation.of(self._video, frame)
        picture = self._reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
        return self._orientation.apply(picture)
