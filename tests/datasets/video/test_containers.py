"""Frame i is the same picture asked for singly, by stride and straight, or there is an error."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from datasets.errors import DataError, FormatError
from datasets.video import check_video, iterate_frames, read_frames, video_shape, video_times
from tests.datasets.video.numbered import number, write

COUNT = 20
# Suffix of each container to the encoders that this FFmpeg can write into it.
CONTAINERS = {
    "mp4": "libx264 libx265 mpeg4 mpeg2video mjpeg ffv1 libvpx-vp9",
    "mov": "libx264 libx265 mpeg4 mpeg2video mjpeg prores",
    "3gp": "libx264 mpeg4",
    "mkv": "libx264 libx265 mpeg4 mpeg2video mjpeg ffv1 libvpx libvpx-vp9 prores",
    "webm": "libvpx libvpx-vp9",
    "avi": "libx264 mpeg4 mpeg2video mjpeg ffv1 libvpx msmpeg4",
    "asf": "libx264 mpeg4 mjpeg msmpeg4",
    "nut": "libx264 libx265 mpeg4 mpeg2video ffv1",
    "flv": "libx264 libx265",
    "ts": "libx264 libx265 mpeg4 mpeg2video",
    "mpg": "libx264 mpeg2video",
    "mxf": "libx264 mpeg2video",
    "h264": "libx264",
    "hevc": "libx265",
    "m4v": "mpeg4",
    "m2v": "mpeg2video",
}
FORMS = {"mkv": "matroska", "ts": "mpegts", "mpg": "mpeg", "m2v": "mpeg2video"}
PIXELS = {"mjpeg": "yuvj420p", "prores": "yuv422p10le"}
UNEVEN = np.cumsum([0, *[0.1, 0.05] * COUNT])[:COUNT].tolist()
# Key frames near and far, frames in another order than that of display, odd rates, uneven times.
PLAIN: dict[str, dict[str, Any]] = {"near-keys": {"gop": 4, "fps": Fraction(24000, 1001)}}
REORDERED: dict[str, dict[str, Any]] = {
    "b-frames": {"gop": 8, "b_frames": 2, "fps": 25},
    "far-keys": {"gop": 250, "b_frames": 1},
    "uneven": {"gop": 8, "b_frames": 2, "times": UNEVEN},
}
OPEN = "open-gop=1:scenecut=0:keyint=6:min-keyint=6"
OPTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "libx264": {
        "open-gop": {"b_frames": 3, "options": {"x264-params": f"{OPEN}:b-pyramid=normal"}},
        "intra-refresh": {"gop": 8, "options": {"intra-refresh": "1"}},
    },
    "libx265": {
        "open-gop": {"b_frames": 3, "options": {"x265-params": f"{OPEN}:log-level=none"}},
    },
}
SETTINGS = {
    "libx264": {**REORDERED, **OPTIONS["libx264"]},
    "libx265": OPTIONS["libx265"],
    "mpeg4": REORDERED,
    # MPEG-2 has a few fixed rates.
    "mpeg2video": {name: REORDERED[name] for name in ("b-frames", "far-keys")},
}
COMBINATIONS = [
    pytest.param(suffix, codec, setting, id=f"{suffix}-{codec}-{name}")
    for suffix, codecs in CONTAINERS.items()
    for codec in codecs.split()
    for name, setting in SETTINGS.get(codec, PLAIN).items()
    # Raw streams and MXF have one rate, and AVI repeats frames to fill the time.
    if name != "uneven" or suffix in ("mp4", "mov", "3gp", "mkv", "asf", "nut", "flv", "ts")
]


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "codec", "setting"), COMBINATIONS)
def test_every_way_to_a_frame_gives_the_same_picture(
    tmp_path: Path, suffix: str, codec: str, setting: dict[str, Any]
) -> None:
    video = write(
        tmp_path / f"a.{suffix}",
        COUNT,
        codec,
        form=FORMS.get(suffix, suffix),
        pixels=PIXELS.get(codec, "yuv420p"),
        **setting,
    )
    numbers = list(range(COUNT))
    assert [number(frame) for frame in iterate_frames(video)] == numbers
    assert [number(read_frames(video, [i])[0]) for i in numbers] == numbers
    for stride in (3, 7):
        assert [number(f) for f in read_frames(video, numbers[1::stride])] == numbers[1::stride]
    assert video_shape(video).frames == len(video_times(video)) == COUNT
    check_video(video)


def test_an_avi_that_repeats_frames_without_storing_them_is_refused(tmp_path: Path) -> None:
    video = write(tmp_path / "a.avi", COUNT, "mpeg4", times=UNEVEN)
    for read in (check_video, video_times, lambda v: list(iterate_frames(v))):
        with pytest.raises(DataError, match=r"a\.avi"):
            read(video)


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=8000, layout="mono")
        cover = container.add_stream("mjpeg", 30)
        cover.height, cover.width, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame(32, 32, "yuvj420p")))
        container.mux(cover.encode())
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 8000
        container.mux(sound.encode(silence))
        container.mux(sound.encode())
    with pytest.raises(FormatError, match=r"song.mp4 has no video stream"):
        check_video(tmp_path / "song.mp4")


def test_depth_is_no_picture(tmp_path: Path) -> None:
    write(tmp_path / "depth.mkv", 3, "ffv1", pixels="gray16le")
    with pytest.raises(FormatError, match=r"depth.mkv has 16 bits a pixel \(gray16le\)"):
        video_shape(tmp_path / "depth.mkv")
    write(tmp_path / "grey.mkv", 3, "ffv1", pixels="gray")
    assert [number(frame) for frame in iterate_frames(tmp_path / "grey.mkv")] == [0, 1, 2]


def test_files_of_data_sets_are_no_damaged_videos(tmp_path: Path) -> None:
    (tmp_path / "000000.hdf5").write_bytes(b"\x89HDF")
    with pytest.raises(FormatError, match=r"000000.hdf5 is no video. Name a video"):
        video_shape(tmp_path / "000000.hdf5")
