"""Frame i is the same picture asked for singly, by stride and straight, or there is an error."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from datasets.errors import DataError
from datasets.video import check_video, iterate_frames, read_frames, video_shape
from tests.datasets.video.numbered import number, write

COUNT = 16
# Suffix to FFmpeg's name of the container.
CONTAINERS = {
    "mp4": "mp4",
    "mov": "mov",
    "3gp": "3gp",
    "mkv": "matroska",
    "webm": "webm",
    "avi": "avi",
    "ts": "mpegts",
    "mpg": "mpeg",
    "flv": "flv",
    "nut": "nut",
    "asf": "asf",
    "mxf": "mxf",
    "ogg": "ogg",
    "h264": "h264",
    "m4v": "m4v",
}
# Encoder to pixel format; those of the first row reorder frames.
CODECS = {
    **dict.fromkeys(("libx264", "libx265", "mpeg4", "mpeg2video"), "yuv420p"),
    **dict.fromkeys(("libvpx", "libvpx-vp9", "ffv1", "msmpeg4"), "yuv420p"),
    "mjpeg": "yuvj420p",
    "prores": "yuv422p10le",
}
# Key frames near and far, frames in another order than that of display, odd rates.
SETTINGS = {
    "near keys": {"gop": 4, "fps": Fraction(24000, 1001)},
    "b-frames": {"gop": 8, "b_frames": 2, "fps": 25},
}
OPEN_GOP = {"x264-params": "open-gop=1:scenecut=0:keyint=6:min-keyint=6"}
# What each container holds at least; two settings of each codec that fits.
LEAST = {"h264": 2, "m4v": 2, "ogg": 2, "webm": 4, "3gp": 4, "mpg": 8, "ts": 8, "flv": 6, "mxf": 8}


def written(folder: Path, suffix: str) -> list[Path]:
    """A video for every codec and setting that this FFmpeg can write into a container."""
    found = []
    for codec, pixels in CODECS.items():
        for name, settings in SETTINGS.items():
            options = OPEN_GOP if codec == "libx264" and name == "b-frames" else {}
            path = folder / f"{codec} {name}.{suffix}"
            try:
                write(
                    path,
                    COUNT,
                    codec,
                    form=CONTAINERS[suffix],
                    pixels=pixels,
                    options=options,
                    **settings,
                )
            except (av.FFmpegError, ValueError):  # the container does not take the codec
                continue
            found.append(path)
    return found


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_every_way_to_a_frame_gives_the_same_picture_or_an_error(
    tmp_path: Path, suffix: str
) -> None:
    right = 0
    for path in written(tmp_path, suffix):
        try:
            straight = [number(frame) for frame in iterate_frames(path)]
        except DataError:
            continue
        # MXF pictures and the like may be padded, but none may be missing or in another place.
        assert straight == list(range(COUNT)), path.name
        assert [number(read_frames(path, [i])[0]) for i in range(COUNT)] == straight, path.name
        for stride in (3, 7):
            chosen = straight[1::stride]
            assert [number(f) for f in read_frames(path, chosen)] == chosen, path.name
        assert abs(video_shape(path).frames - COUNT) <= 1, path.name
        check_video(path)
        right += 1
    assert right >= LEAST.get(suffix, 12)
