"""Opened videos: their shape, their packets, and the times of their frames.

FFmpeg is the one that comes with PyAV. torchcodec (0.17) in its exact seek mode, run on the same
FFmpeg, reads other frames than the ones asked for, without an error: from AVI with B-frames, from
MPEG-TS, and after seeks in H.264 with intra refresh. It also needs torch, and `datasets` has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache
from itertools import dropwhile
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from jaxtyping import Float

from datasets.errors import DamagedDataError, FormatError, MissingDataError
from datasets.video.declared import impossible_times, is_fragmented
from datasets.video.upright import Orientation

# Endings of files that are taken for videos.
VIDEO_SUFFIXES = (
    *(".avi", ".mp4", ".mkv", ".mov", ".webm", ".m4v", ".3gp", ".wmv", ".flv"),
    *(".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
)

# Containers that store the display time of every frame, by FFmpeg's names. In others, such as AVI,
# FFmpeg guesses times from the order of storage, which B-frames change.
_TIMED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
# Headers of old files count up to this many frames more than a decoder returns; the last decoded
# frame then replaces them.
MISCOUNT = 2
# Streams without a container, which FFmpeg also finds in a file whose header is overwritten.
# FFmpeg's name of the stream to the suffixes of files that are meant to be one.
_RAW = {
    "h264": (".h264", ".264", ".avc"),
    "hevc": (".hevc", ".h265", ".265"),
    "m4v": (".m4v",),
    "mpegvideo": (".m1v", ".m2v", ".mpv", ".mpg", ".mpeg"),
    "vc1": (".vc1",),
    "obu": (".obu",),
}


# Endings of the files of data sets and runs, which are named in place of their folders.
_OTHERS = {".hdf5", ".h5", ".json", ".jsonl", ".parquet", ".npz", ".csv", ".safetensors"}
_COVER = Disposition.attached_pic
# Pixels of 16 bits of grey, in which depth cameras store millimetres.
_DEPTH = "gray16"


class VideoShape(NamedTuple):
    """The shape of a video as it is displayed; lengths in pixels."""

    frames: int
    height: int
    width: int
    fps: float


class Timetable(NamedTuple):
    """Number and display times of all frames, and the key frames at which decoding can begin."""

    frames: int
    times: np.ndarray | None
    """Time stamp of each frame in order; None where the container stores none."""
    keys: Sequence[int] = ()
    """Indices of key frames."""
    places: Sequence[int] = ()
    """Time stamps to seek to, one for each key frame; a seek ends there or at an earlier one."""


class _Stamp(NamedTuple):
    pts: int | None
    dts: int | None
    is_key: bool


def video_shape(video: Path) -> VideoShape:
    """Reads the number of frames, size and frame rate, decoding one frame at most.

    Raises:
        DataError: When the file is missing, not a video, or declares an impossible number, rate or
            duration of frames.
    """
    with _readable(video):
        facts = video.stat()
    return _video_shape(video, facts.st_size, facts.st_mtime_ns)


# Readers ask for the shape before each sample of a clip.
@lru_cache(maxsize=1 << 16)
def _video_shape(video: Path, size: int, _changed: int) -> VideoShape:
    with open_video(video) as (container, stream):
        frames = _declared_frames(video, container, stream)
        if frames > size:
            raise DamagedDataError(
                f"{video} declares {frames} frames in {size} bytes; copy it again, or leave its "
                "clip out."
            )
        first = next((f for p in from_first_key(container, stream) for f in p.decode()), None)
        if first is None:
            raise DamagedDataError(
                f"{video} has no frame that can be decoded; copy it again, or leave its clip out."
            )
        if first.format.name.startswith(_DEPTH):
            raise FormatError(
                f"{video} has 16 bits a pixel ({first.format.name}), whose range is not known: it "
                "may be depth. Take it out of the folder, or encode colours: ffmpeg -i IN "
                "-pix_fmt yuv420p OUT"
            )
        height, width = first.height, first.width
        if Orientation.of(video, first).is_sideways:
            height, width = width, height
        fps = float(stream.average_rate or stream.guessed_rate or Fraction(0))
    problem = impossible_times(video)
    if problem is not None or not 0 < fps < float("inf"):
        raise FormatError(
            f"{video} declares {problem or 'no frame rate'}. Encode it again at its true rate, "
            "such as 30: ffmpeg -r 30 -i IN OUT"
        )
    if not frames:
        with open_video(video) as (container, stream):
            frames = sum(1 for _ in packets(container, stream))
    return VideoShape(frames, height, width, fps)


def video_times(video: Path) -> Float[np.ndarray, " frames"]:
    """Display time of every frame, in seconds from the first one.

    They are those that the container stores; a container that stores none, such as AVI, has frames
    at its constant rate.

    Raises:
        DataError: When the video cannot be read, or holds fewer or more frames than its header
            declares.
    """
    shape = video_shape(video)
    with open_video(video) as (container, stream):
        table = timetable(container, stream)
        unit = float(stream.time_base or 0)
    require_as_declared(video, table.frames)
    if table.times is None:
        return np.arange(table.frames) / shape.fps
    return (table.times - table.times[0]) * unit


def require_as_declared(video: Path, held: int) -> None:
    """Refuses a video that holds another number of frames than its header declares.

    Raises:
        DamagedDataError: When the numbers differ by more than old headers miscount.
    """
    declared = video_shape(video).frames
    if held < declared - MISCOUNT:
        raise DamagedDataError(f"{video} ends after {held} of {declared} frames; copy it again.")
    if held > declared + MISCOUNT:
        raise DamagedDataError(
            f"{video} holds {held} frames, but its header declares {declared}. Write its header "
            "again: ffmpeg -i IN -c copy OUT"
        )


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
    # An absolute path: FFmpeg takes `a:b.mp4` for the protocol `a`.
    path = str(video.absolute())
    with _readable(video), av.open(path, metadata_errors="replace") as container:
        if video.suffix.lower() not in _RAW.get(container.format.name, (video.suffix.lower(),)):
            raise DamagedDataError(
                f"{video} has lost its header, and with it the times of its frames; copy it "
                "again, or leave its clip out."
            )
        # The cover of an album or a film counts as a stream of one frame.
        streams = [s for s in container.streams.video if not s.disposition & _COVER]
        if not streams:
            raise FormatError(f"{video} has no video stream.")
        stream = streams[0]
        if stream.codec_context is None:
            raise FormatError(f"{video} has a codec that cannot be decoded; encode it again.")
        stream.codec_context.thread_count = 1
        yield container, stream


@contextmanager
def _readable(video: Path) -> Iterator[None]:
    if video.is_dir():
        raise FormatError(
            f"{video} is a folder: name a video. One can be made of its pictures: ffmpeg "
            "-framerate 30 -pattern_type glob -i 'FOLDER/*.png' OUT.mp4"
        )
    if not video.is_file():
        raise MissingDataError(f"{video} does not exist: check its path, or copy it again.")
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        if video.suffix.lower() in _OTHERS:
            raise FormatError(f"{video} is no video. Name a video, or a folder.") from error
        if video.suffix.lower() == ".webp":
            raise FormatError(
                f"{video} is a WebP, whose animation FFmpeg cannot decode: save it as a GIF or an "
                "MP4 in a program that plays it."
            ) from error
        raise DamagedDataError(
            f"{video} cannot be decoded ({error.strerror}); copy it again, or leave its clip out."
        ) from error


def from_first_key(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """All packets from here on but those that no decoder can use, since no key frame is before."""
    return dropwhile(lambda packet: not packet.is_keyframe, container.demux(stream))


def packets(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """The packets of frames that are displayed.

    A video that was cut without re-encoding begins at a key frame before the cut. Frames between
    that key frame and the cut are needed for decoding, and marked as discarded. Others of VP8 are
    references alone, which a bit of their first byte says (RFC 6386, section 9.1).
    """
    for packet in from_first_key(container, stream):
        hidden = packet.is_discard or packet.size == 0
        if not hidden and stream.codec_context.name == "vp8":
            hidden = not memoryview(packet)[0] & 0x10
        if not hidden:
            yield packet


def timetable(container: InputContainer, stream: VideoStream) -> Timetable:
    """Reads all packets for the times of all frames; without times, frames can only be counted."""
    # Packets themselves would hold the whole file in memory.
    found = [_Stamp(p.pts, p.dts, p.is_keyframe) for p in packets(container, stream)]
    times = np.unique([stamp.pts for stamp in found if stamp.pts is not None]).astype(np.int64)
    times_of_decoding = stream.codec_context.has_b_frames and all(s.pts == s.dts for s in found)
    if (
        container.format.name not in _TIMED
        # Frames without a time or with equal times are ambiguous.
        or len(times) < len(found)
        # Some writers store times of decoding alone, though frames are displayed in another order.
        or times_of_decoding
    ):
        return Timetable(len(found), None)
    # Some containers seek by decoding time, which is never later than display time.
    keys = sorted(
        (s.pts, s.pts if s.dts is None else min(s.pts, s.dts))
        for s in found
        if s.is_key and s.pts is not None
    )
    shown = np.searchsorted(times, [pts for pts, _ in keys])
    return Timetable(
        len(found), times, [int(index) for index in shown], [place for _, place in keys]
    )


def _declared_frames(video: Path, container: InputContainer, stream: VideoStream) -> int:
    """Number of frames by the header; 0 where the header does not say or does not count all."""
    if container.format.name == _TIMED[0] and is_fragmented(video):
        return 0
    hidden = sum(entry.is_discard for entry in stream.index_entries)
    return len(stream.index_entries) - hidden if hidden else stream.frames
