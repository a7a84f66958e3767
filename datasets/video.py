"""Videos: their size, the frames that are asked for and no others, and writing."""

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
from jaxtyping import UInt8

from datasets.errors import DataError
from datasets.storage.atomic import atomic_path

# What the two elements of a file begin with (RFC 8794, RFC 9559).
_HEADER, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def declared_size(video: Path) -> int | None:
    """Bytes of the whole file; None for other files, and where a recorder could not tell."""
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
    """A number of 1 to 8 bytes, as many as its first bit that is set says; all ones is unknown."""
    first = file.read(1)
    length = 9 - first[0].bit_length() if first else 9
    rest = file.read(length - 1)
    if length > 8 or len(rest) < length - 1:
        return None
    unknown = (1 << 7 * length) - 1
    size = int.from_bytes(first + rest, "big") & unknown
    return None if size == unknown else size


# A seek throws the decoder's state away; skipping fewer frames than this is not worth one.
MIN_SKIP = 6
# Headers of old files count a frame or two that no decoder gives; the last frame stands for them.
MISCOUNT = 2


class VideoShape(NamedTuple):
    """What a video's header says."""

    frames: int
    height: int
    width: int
    fps: float


def video_shape(video: Path) -> VideoShape:
    """Number of frames, size in pixels and frame rate; reads no frame.

    Raises:
        DataError: When the file is missing, or no video.
    """
    with _open_video(video) as (container, stream):
        frames = _told_frames(stream) or sum(1 for _ in _packets(container, stream))
        shape = VideoShape(
            frames, stream.height, stream.width, float(stream.average_rate or Fraction(0))
        )
    if min(shape[:3]) < 1:
        raise DataError(f"{video} has no frames; copy it again, or leave its clip out.")
    return shape


def check_video(video: Path) -> None:
    """Makes sure that a video is whole, by reading all of it and decoding its first frame.

    Raises:
        DataError: When it is missing, damaged, or ends before its header says.
    """
    told = video_shape(video).frames
    size, whole = video.stat().st_size, declared_size(video)
    if whole is not None and size < whole:
        raise DataError(f"{video} ends after {size} of {whole} bytes; copy it again.")
    with _open_video(video) as (container, stream):
        held = sum(1 for _ in _packets(container, stream))
    if held < told - MISCOUNT:
        raise DataError(f"{video} ends after {held} of {told} frames; copy it again.")
    read_frames(video, [0])


class Window(NamedTuple):
    """Rows and columns of a picture."""

    rows: slice
    columns: slice


def read_frames(
    video: Path, indices: Sequence[int] | np.ndarray, window: Window | None = None
) -> UInt8[np.ndarray, "time height width 3"]:
    """Decodes the frames at `indices`, in that order, repeats allowed, as RGB.

    Jumps to the key frame before a wanted frame where that skips frames, and decodes straight on
    where it does not.

    Args:
        video: The video's file.
        indices: Numbers of frames, from 0.
        window: The part of each frame to return; all of it by default.

    Raises:
        DataError: When the video cannot be decoded, or is shorter.
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
    if len(found) < len(targets) and len(table.keys):  # the seeks may have missed
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
) -> None:
    """Encodes RGB frames as H.264, with key frames often enough to jump between.

    Args:
        video: Where to; the container is that of its suffix.
        frames: All of one size; an odd height or width keeps full colour resolution, which some
            players cannot show.
        fps: Frames a second.
        crf: x264's quality: 0 is lossless, 18 hard to tell from it, 51 worst.
        key_every: A key frame at least every this many frames.

    Raises:
        ValueError: When there are no frames.
    """
    with atomic_path(video) as temporary:
        kind = {".mkv": "matroska"}.get(video.suffix, video.suffix[1:])
        # Players can start before the whole of an MP4 is there.
        layout = {"movflags": "+faststart"} if kind == "mp4" else {}
        with av.open(str(temporary), "w", format=kind, options=layout) as container:
            stream = None
            for picture in frames:
                if stream is None:
                    stream = container.add_stream("libx264", Fraction(fps).limit_denominator(1001))
                    stream.height, stream.width = picture.shape[:2]
                    stream.pix_fmt = pixel_format(stream.height, stream.width)
                    stream.gop_size = key_every
                    # AVI has no place for frames in another order than they are shown in.
                    stream.max_b_frames = 0
                    stream.codec_context.thread_count = 1
                    # x264's look-ahead by macroblocks (mbtree) gives other bytes now and then on
                    # processors with AVX-512, for the same frames.
                    stream.options = {
                        "crf": str(crf),
                        "preset": "veryfast",
                        "x264-params": "mbtree=0",
                    }
                image = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                container.mux(stream.encode(image))
            if stream is None:
                raise ValueError(f"there are no frames for {video}")
            container.mux(stream.encode())


def pixel_format(height: int, width: int) -> str:
    """FFmpeg's name of how colours are stored: halved, where the size is even."""
    return "yuv444p" if height % 2 or width % 2 else "yuv420p"


@contextmanager
def _open_video(video: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Opens the first video stream for one thread: readers run side by side as it is."""
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


def _told_frames(stream: VideoStream) -> int:
    """Frames that the header counts; 0 where it counts none."""
    hidden = sum(entry.is_discard for entry in stream.index_entries)
    return len(stream.index_entries) - hidden if hidden else stream.frames


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """The packets of frames that are shown.

    A video that was cut without encoding it again begins at a key frame before the cut, and hides
    the frames between the two: they are decoded and not given out.
    """
    packets = container.demux(stream)
    return (packet for packet in packets if packet.size > 0 and not packet.is_discard)


class _Timetable(NamedTuple):
    """When frames are shown, and where decoding can begin."""

    times: np.ndarray | None
    """Time stamp of each frame in order; None where the file lacks some."""
    keys: Sequence[int] = ()
    """Indices of key frames."""
    places: Sequence[int] = ()
    """Time stamps that a seek to each key frame finds it by, or an earlier one."""


def _timetable(container: InputContainer, stream: VideoStream) -> _Timetable:
    packets = list(_packets(container, stream))
    stamps = [packet.pts for packet in packets if packet.pts is not None]
    times = np.unique(np.array(stamps, np.int64))
    if len(times) < len(packets):  # frames without a time, or of one time, cannot be told apart
        return _Timetable(None)
    # Some containers look for the time of decoding, which is never after that of showing.
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
    """The target frames that there are; without a timetable, frames are counted from the start."""
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
            # A copy of the window, so that the rest of the frame is let go.
            found[target] = np.ascontiguousarray(_to_rgb(frame, reformatter)[window])
    return found


def _to_rgb(
    frame: av.VideoFrame, reformatter: VideoReformatter
) -> UInt8[np.ndarray, "height width 3"]:
    """Converts in this thread, with what the reformatter has set up for the frames before."""
    return reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
