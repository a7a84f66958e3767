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
from jaxtyping import UInt8

from datasets.errors import DamagedDataError, FormatError
from datasets.video.container import (
    Timetable,
    open_video,
    quarter_turns,
    timetable,
    video_shape,
)

# A seek discards the decoder's state, which costs more than decoding this many frames.
MIN_SKIP = 6
# Headers of old files count up to this many frames more than a decoder returns; the last decoded
# frame then replaces them.
MISCOUNT = 2

Picture = UInt8[np.ndarray, "height width 3"]


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
    for plan in (table, Timetable(table.times)):
        if not left:
            return
        with open_video(video) as (container, stream):
            for index, frame in _decode(container, stream, list(left), plan):
                left.popleft()
                yield index, frame
    if left:
        raise DamagedDataError(
            f"{video} has no frame {left[0]} that can be decoded; copy it again, or leave its "
            "clip out."
        )


def iterate_frames(video: Path) -> Iterator[Picture]:
    """Decodes every frame in order, one at a time, as RGB and upright.

    Raises:
        DataError: When the video cannot be decoded, or has damaged frames.
    """
    with open_video(video) as (container, stream):
        times = timetable(container, stream).times
    count = -1
    reformatter = VideoReformatter()
    with open_video(video) as (container, stream):
        for number, (index, frame, whole) in enumerate(_numbered(container, stream, times)):
            if index != number or not whole:
                raise DamagedDataError(
                    f"{video} has no frame {number} that can be decoded; copy it again, or leave "
                    "its clip out."
                )
            count = index
            yield _to_rgb(video, frame, reformatter)
    if times is not None and count < len(times) - 1 - MISCOUNT:
        raise DamagedDataError(
            f"{video} ends after {count + 1} of {len(times)} frames; copy it again."
        )


def _decode(
    container: InputContainer, stream: VideoStream, targets: Sequence[int], table: Timetable
) -> Iterator[tuple[int, Picture]]:
    """Decodes the targets up to the first that does not exist or is damaged."""
    reformatter = VideoReformatter()
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
        if frame is None or not whole or not 0 <= target - current <= MISCOUNT:
            return
        yield target, _to_rgb(container.name, frame, reformatter)


def _numbered(
    container: InputContainer, stream: VideoStream, times: np.ndarray | None
) -> Iterator[tuple[int, VideoFrame, bool]]:
    """Frames from here on: number, frame, and whether it is whole.

    Frames are numbered by their times, or counted from 0 without them. A frame that the decoder
    marks as corrupt damages those that follow it up to the next key frame.
    """
    whole, index = True, -1
    for frame in container.decode(stream):
        index += 1
        if times is not None and frame.pts is not None:
            index = int(np.searchsorted(times, frame.pts))
        whole = not frame.is_corrupt and (whole or bool(frame.key_frame))
        yield index, frame, whole


def _to_rgb(video: Path | str, frame: VideoFrame, reformatter: VideoReformatter) -> Picture:
    """Converts a frame in this thread; the reformatter keeps its setup from frame to frame."""
    picture = reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
    return np.ascontiguousarray(np.rot90(picture, quarter_turns(video, frame)))
