"""Videos: their shape and integrity, random access to their frames, and an H.264 writer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import Float, UInt8

from datasets.errors import DataError, FormatError
from datasets.storage.atomic import atomic_path

# The first bytes of a Matroska file and of its second element (RFC 8794, RFC 9559).
_HEADER, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
# A seek discards the decoder's state, which costs more than decoding this many frames.
MIN_SKIP = 6
# Headers of old files count up to this many frames more than a decoder returns; the last decoded
# frame then replaces them.
MISCOUNT = 2


class VideoShape(NamedTuple):
    """The shape of a video, by its header; lengths in pixels."""

    frames: int
    height: int
    width: int
    fps: float


def video_shape(video: Path) -> VideoShape:
    """Reads the number of frames, size and frame rate without decoding a frame.

    Raises:
        DataError: When the file is missing or not a video.
    """
    with _open_video(video) as (container, stream):
        frames = _declared_frames(stream) or sum(1 for _ in _packets(container, stream))
        shape = VideoShape(
            frames, stream.height, stream.width, float(stream.average_rate or Fraction(0))
        )
    if min(shape[:3]) < 1:
        raise DataError(f"{video} has no frames; copy it again, or leave its clip out.")
    return shape


def check_video(video: Path) -> None:
    """Checks that a video is complete, by reading all of it and decoding its first frame.

    Raises:
        DataError: When the video is missing, damaged, or shorter than its header declares.
    """
    declared = video_shape(video).frames
    size, whole = video.stat().st_size, declared_size(video)
    if whole is not None and size < whole:
        raise DataError(f"{video} ends after {size} of {whole} bytes; copy it again.")
    with _open_video(video) as (container, stream):
        held = sum(1 for _ in _packets(container, stream))
    if held < declared - MISCOUNT:
        raise DataError(f"{video} ends after {held} of {declared} frames; copy it again.")
    read_frames(video, [0])


def frame_times(video: Path) -> Float[np.ndarray, " frames"]:
    """The time of each frame in the order of display, in seconds, without decoding any.

    Raises:
        DataError: When the file is missing or not a video.
        FormatError: When frames have no times, or two have the same.
    """
    with _open_video(video) as (container, stream):
        times = _timetable(container, stream).times
        if times is None or not len(times) or stream.time_base is None:
            raise FormatError(f"{video} has frames without times of their own; encode it again.")
        return times * float(stream.time_base)


class Window(NamedTuple):
    """Rows and columns of a picture."""

    rows: slice
    columns: slice


def read_frames(
    video: Path, indices: Sequence[int] | np.ndarray, window: Window | None = None
) -> UInt8[np.ndarray, "time height width 3"]:
    """Decodes the frames at `indices`, in that order, repeats allowed, as RGB.

    Where it saves time, it seeks to the key frame before a wanted frame; otherwise it decodes on.

    Args:
        video: File of the video.
        indices: Numbers of frames, from 0.
        window: The part of each frame to return; by default the whole frame.

    Raises:
        DataError: When the video cannot be decoded or has fewer frames.
    """
    window = window or Window(slice(None), slice(None))
    wanted = np.asarray(indices, dtype=np.int64)
    targets = np.unique(wanted)
    if len(targets) and targets[0] < 0:
        raise ValueError(f"frames are counted from 0, got {targets[0]}")
    with _open_video(video) as (container, stream):
        table = _timetable(container, stream)
    with _open_video(video) as (container, stream):
        found = _decode(container, stream, targets, window, table)
    # A seek may have missed its frame, so try again from the start.
    if len(found) < len(targets) and len(table.keys):
        with _open_video(video) as (container, stream):
            found = _decode(container, stream, targets, window, _Timetable(table.times))
    if missing := [int(target) for target in targets if target not in found]:
        raise DataError(
            f"{video} has no frame {missing[0]} that can be decoded; copy it again, or leave its "
            "clip out."
        )
    frames = [found[int(index)] for index in wanted]
    if len({frame.shape for frame in frames}) > 1:
        raise DataError(f"{video} changes its size; encode it again at one size.")
    if not frames:
        return np.empty((0, *video_shape(video)[1:3], 3), np.uint8)[:, window.rows, window.columns]
    return np.stack(frames)


def iterate_frames(video: Path) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Decodes every frame in order, one at a time, as RGB.

    Raises:
        DataError: When the video cannot be decoded.
    """
    with _open_video(video) as (container, stream):
        reformatter = VideoReformatter()
        for frame in container.decode(stream):
            yield _to_rgb(frame, reformatter)


def write_video(
    video: Path,
    frames: Iterable[UInt8[np.ndarray, "height width 3"]],
    fps: float,
    *,
    crf: int = 18,
    key_every: int = 12,
    preset: str = "veryfast",
) -> None:
    """Encodes RGB frames as H.264; the same frames give the same bytes.

    Args:
        video: The file to write; its suffix decides the container.
        frames: Frames of one size. An odd height or width keeps full colour resolution, which some
            players cannot show.
        fps: Frames a second.
        crf: x264's quality: 0 is lossless, 18 looks like the original, 51 is worst.
        key_every: Most frames from one key frame to the next; a player or reader can begin at each.
        preset: x264's effort: slower presets give smaller files.

    Raises:
        ValueError: When there are no frames.
    """
    with atomic_path(video) as temporary:
        kind = {".mkv": "matroska"}.get(video.suffix, video.suffix[1:])
        # With the index at the front, players start before they have received all of an MP4.
        layout = {"movflags": "+faststart"} if kind == "mp4" else {}
        with av.open(str(temporary), "w", format=kind, options=layout) as container:
            stream = None
            for picture in frames:
                if stream is None:
                    stream = container.add_stream("libx264", Fraction(fps).limit_denominator(1001))
                    stream.height, stream.width = picture.shape[:2]
                    stream.pix_fmt = pixel_format(stream.height, stream.width)
                    stream.gop_size = key_every
                    # AVI cannot store frames in an order that differs from the order of display.
                    stream.max_b_frames = 0
                    stream.codec_context.thread_count = 1
                    # x264's look-ahead by macroblocks (mbtree) sometimes gives different bytes for
                    # the same frames on processors with AVX-512.
                    stream.options = {
                        "crf": str(crf),
                        "preset": preset,
                        "x264-params": "mbtree=0",
                    }
                image = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                container.mux(stream.encode(image))
            if stream is None:
                raise ValueError(f"there are no frames for {video}")
            container.mux(stream.encode())


def pixel_format(height: int, width: int) -> str:
    """FFmpeg's name of the pixel format: colours at half resolution where the size is even."""
    return "yuv444p" if height % 2 or width % 2 else "yuv420p"


@contextmanager
def _open_video(video: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Opens the first video stream with one decoding thread: readers already run side by side."""
    try:
        with av.open(str(video)) as container:
            if not container.streams.video:
                raise DataError(f"{video} has no video stream.")
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            yield container, stream
    except (av.FFmpegError, OSError) as error:
        raise DataError(
            f"{video} cannot be decoded ({error.strerror}); copy it again, or leave its clip out."
        ) from error


def _declared_frames(stream: VideoStream) -> int:
    """Number of frames by the header; 0 where the header does not say."""
    hidden = sum(entry.is_discard for entry in stream.index_entries)
    return len(stream.index_entries) - hidden if hidden else stream.frames


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """The packets of frames that are displayed.

    A video that was cut without re-encoding begins at a key frame before the cut. Frames between
    that key frame and the cut are needed for decoding, and marked as discarded.
    """
    packets = container.demux(stream)
    return (packet for packet in packets if packet.size > 0 and not packet.is_discard)


class _Timetable(NamedTuple):
    """Display times of all frames, and the key frames at which decoding can begin."""

    times: np.ndarray | None
    """Time stamp of each frame in order; None where some are missing or equal."""
    keys: Sequence[int] = ()
    """Indices of key frames."""
    places: Sequence[int] = ()
    """Time stamps to seek to, one for each key frame; a seek ends there or at an earlier one."""


def _timetable(container: InputContainer, stream: VideoStream) -> _Timetable:
    packets = list(_packets(container, stream))
    stamps = [packet.pts for packet in packets if packet.pts is not None]
    times = np.unique(np.array(stamps, np.int64))
    if len(times) < len(packets):  # frames without a time or with equal times are ambiguous
        return _Timetable(None)
    # Some containers seek by decoding time, which is never later than display time.
    keys = sorted(
        (packet.pts, packet.pts if packet.dts is None else min(packet.pts, packet.dts))
        for packet in packets
        if packet.is_keyframe and packet.pts is not None
    )
    shown = np.searchsorted(times, [pts for pts, _ in keys])
    return _Timetable(times, [int(index) for index in shown], [place for _, place in keys])


def _decode(
    container: InputContainer,
    stream: VideoStream,
    targets: np.ndarray,
    window: Window,
    table: _Timetable,
) -> dict[int, UInt8[np.ndarray, "height width 3"]]:
    """Decodes those target frames that exist; without a timetable it counts from the start."""
    found = {}
    reformatter = VideoReformatter()
    frames = container.decode(stream)
    current, frame = -1, None
    for target in map(int, targets):
        key = bisect_right(table.keys, target) - 1
        if key >= 0 and table.keys[key] - current > MIN_SKIP:
            container.seek(table.places[key], stream=stream)
            frames = container.decode(stream)
            current, frame = -1, None
        while current < target and (following := next(frames, None)) is not None:
            frame = following
            current = current + 1
            if table.times is not None and frame.pts is not None:
                current = int(np.searchsorted(table.times, frame.pts))
        if frame is not None and 0 <= target - current <= MISCOUNT:
            # A copy of the window, so that the memory of the whole frame is freed.
            found[target] = np.ascontiguousarray(_to_rgb(frame, reformatter)[window])
    return found


def _to_rgb(
    frame: av.VideoFrame, reformatter: VideoReformatter
) -> UInt8[np.ndarray, "height width 3"]:
    """Converts a frame in this thread; the reformatter keeps its setup from frame to frame."""
    return reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()


def declared_size(video: Path) -> int | None:
    """Size in bytes that a Matroska file's header declares.

    None for other files, and where the recorder did not know the size.
    """
    with video.open("rb") as file:
        if file.read(4) != _HEADER:
            return None
        header = _read_size(file)
        if header is None:
            return None
        file.seek(header, 1)
        if file.read(4) != _SEGMENT:
            return None
        segment = _read_size(file)
        return None if segment is None else file.tell() + segment


def _read_size(file: BinaryIO) -> int | None:
    """Reads a Matroska size: the leading zero bits of its first byte give its length, 1 to 8 bytes.

    None where the file ends, or where all bits are set, which means unknown.
    """
    first = file.read(1)
    length = 9 - first[0].bit_length() if first else 9
    rest = file.read(length - 1)
    if length > 8 or len(rest) < length - 1:
        return None
    unknown = (1 << 7 * length) - 1
    size = int.from_bytes(first + rest, "big") & unknown
    return None if size == unknown else size
