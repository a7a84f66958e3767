"""Videos: their shape, times and integrity, their frames by number, and an H.264 writer."""

from datasets.video.check import check_video
from datasets.video.container import (
    VIDEO_SUFFIXES,
    VideoShape,
    stored_times,
    video_shape,
    video_times,
)
from datasets.video.reading import (
    Window,
    iterate_frames,
    lazy_frames,
    read_frames,
    stream_frames,
)
from datasets.video.writing import pixel_format, write_video

__all__ = [
    "VIDEO_SUFFIXES",
    "VideoShape",
    "Window",
    "check_video",
    "iterate_frames",
    "lazy_frames",
    "pixel_format",
    "read_frames",
    "stored_times",
    "stream_frames",
    "video_shape",
    "video_times",
    "write_video",
]
