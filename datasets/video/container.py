"""Opened videos: their shape, their packets, and the times of their frames.

FFmpeg is the one that comes with PyAV. torchcodec (0.17) has an exact seek mode that would replace
the timetable here, but its wheels need FFmpeg's shared libraries on the system.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import Float

from datasets.errors import DamagedDataError, FormatError, MissingDataError
from datasets.video.declared import is_fragmented

# Containers that store the display time of every frame, by FFmpeg's names. In others, such as AVI,
# FFmpeg guesses times from the order of storage, which B-frames change.
_TIMED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")

# Streams without a container, which FFmpeg also finds in a file whose header is overwritten.
_RAW = ("h264", "hevc", "m4v", "mpegvideo", "vc1", "obu")


class VideoShape(NamedTuple):
    """The shape of a video as it is displayed; lengths in pixels."""

    frames: int
    height: int
    width: int
    fps: float


class Timetable(NamedTuple):
    """Display times of all frames, and the key frames at which decoding can begin."""

    times: np.ndarray | None
    """Time stamp of each frame in order; None where the container stores none."""
    keys: Sequence[int] = ()
    """Indices of key frames."""
    places: Sequence[int] = ()
    """Time stamps to seek to, one for each key frame; a seek ends there or at an earlier one."""


def video_shape(video: Path) -> VideoShape:
    """Reads the number of frames, size and frame rate, decoding one frame at most.

    Raises:
        DataError: When the file is missing, not a video, or declares an impossible number or rate
            of frames.
    """
    with open_video(video) as (container, stream):
        frames = _declared_frames(video, container, stream)
    if frames > video.stat().st_size:
        raise DamagedDataError(
            f"{video} declares {frames} frames in {video.stat().st_size} bytes; copy it again, or "
            "leave its clip out."
        )
    with open_video(video) as (container, stream):
        frames = frames or sum(1 for _ in packets(container, stream))
        height, width = stream.height, stream.width
        fps = float(stream.average_rate or stream.guessed_rate or Fraction(0))
    if min(frames, height, width) < 1:
        raise DamagedDataError(f"{video} has no frames; copy it again, or leave its clip out.")
    if not 0 < fps < float("inf"):
        raise FormatError(f"{video} has no frame rate. Encode it again: ffmpeg -i IN -r 30 OUT")
    if _quarter_turns_of(video) % 2:
        height, width = width, height
    return VideoShape(frames, height, width, fps)


def video_times(video: Path) -> Float[np.ndarray, " frames"]:
    """Display time of every frame, in seconds from the first one.

    They are those that the container stores; a container that stores none, such as AVI, has frames
    at its constant rate.

    Raises:
        DataError: When the video cannot be read.
    """
    with open_video(video) as (container, stream):
        times = timetable(container, stream).times
        if times is not None and len(times):
            return (times - times[0]) * float(stream.time_base or 0)
    shape = video_shape(video)
    return np.arange(shape.frames) / shape.fps


def stored_times(video: Path) -> Float[np.ndarray, " frames"]:
    """Display time of every frame, in seconds, as the container stores it.

    Raises:
        FormatError: When the container stores no times, or those of two frames are equal.
        DataError: When the video cannot be read.
    """
    with open_video(video) as (container, stream):
        times = timetable(container, stream).times
        if times is None or not len(times):
            raise FormatError(
                f"{video} does not store a time of its own for each frame. Encode it as MP4 again: "
                "ffmpeg -i IN OUT.mp4"
            )
        return times * float(stream.time_base or 0)


@contextmanager
def open_video(video: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Opens the first video stream with one decoding thread: readers already run side by side."""
    if not video.is_file():
        raise MissingDataError(f"{video} does not exist or is no file; copy it again.")
    try:
        # An absolute path: FFmpeg takes `a:b.mp4` for the protocol `a`.
        with av.open(str(video.absolute()), metadata_errors="replace") as container:
            if container.format.name in _RAW and video.suffix[1:] != container.format.name:
                raise DamagedDataError(
                    f"{video} has lost its header, and with it the times of its frames; copy it "
                    "again, or leave its clip out."
                )
            if not container.streams.video:
                raise FormatError(f"{video} has no video stream.")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise FormatError(f"{video} has a codec that cannot be decoded; encode it again.")
            stream.codec_context.thread_count = 1
            yield container, stream
    except (av.FFmpegError, OSError) as error:
        raise DamagedDataError(
            f"{video} cannot be decoded ({error.strerror}); copy it again, or leave its clip out."
        ) from error


def packets(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """The packets of frames that are displayed.

    A video that was cut without re-encoding begins at a key frame before the cut. Frames between
    that key frame and the cut are needed for decoding, and marked as discarded.
    """
    found = container.demux(stream)
    return (packet for packet in found if packet.size > 0 and not packet.is_discard)


def timetable(container: InputContainer, stream: VideoStream) -> Timetable:
    """Reads all packets for the times of all frames; without times, frames can only be counted."""
    if container.format.name not in _TIMED:
        return Timetable(None)
    found = list(packets(container, stream))
    stamps = [packet.pts for packet in found if packet.pts is not None]
    times = np.unique(np.array(stamps, np.int64))
    if len(times) < len(found):  # frames without a time or with equal times are ambiguous
        return Timetable(None)
    # Some containers seek by decoding time, which is never later than display time.
    keys = sorted(
        (packet.pts, packet.pts if packet.dts is None else min(packet.pts, packet.dts))
        for packet in found
        if packet.is_keyframe and packet.pts is not None
    )
    shown = np.searchsorted(times, [pts for pts, _ in keys])
    return Timetable(times, [int(index) for index in shown], [place for _, place in keys])


def quarter_turns(video: Path | str, frame: VideoFrame) -> int:
    """Quarter turns against the clock that display a frame upright, as the video's header says.

    Raises:
        FormatError: When the header says another angle.
    """
    turns = round(frame.rotation / 90)
    if abs(frame.rotation - 90 * turns) > 1:  # FFmpeg computes the angle from a matrix
        raise FormatError(
            f"{video} is turned by {frame.rotation} degrees by its header, which is no multiple of "
            "90. Encode it upright: ffmpeg -i IN OUT"
        )
    return turns % 4


def _quarter_turns_of(video: Path) -> int:
    with open_video(video) as (container, stream):
        if container.format.name not in _TIMED:  # the others store no rotation
            return 0
        frame = next(container.decode(stream), None)
        return 0 if frame is None else quarter_turns(video, frame)


def _declared_frames(video: Path, container: InputContainer, stream: VideoStream) -> int:
    """Number of frames by the header; 0 where the header does not say or does not count all."""
    if container.format.name == _TIMED[0] and is_fragmented(video):
        return 0
    hidden = sum(entry.is_discard for entry in stream.index_entries)
    return len(stream.index_entries) - hidden if hidden else stream.frames
