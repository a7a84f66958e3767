import struct

import av
import numpy as np
import pytest
from PIL import Image

from datasets.errors import DamagedDataError, FormatError, MissingDataError
from datasets.video import (
    Window,
    check_video,
    iterate_frames,
    read_frames,
    video_shape,
    write_video,
)
from datasets.video.container import timetable
from datasets.video.reading import _decode
from tests.datasets.clip_files import (
    FPS,
    HEIGHT,
    WIDTH,
    cut_out,
    frame_numbers,
    write_grey_video,
)

# Containers, with and without frames stored in another order, key frames near and far.
KINDS = {
    "h264 far keys": ("a.mp4", "libx264", {"g": "250", "bf": "3"}),
    "h264 near keys": ("a.mp4", "libx264", {"g": "8", "bf": "2", "sc_threshold": "0"}),
    "h264 mkv": ("a.mkv", "libx264", {"g": "10", "bf": "0"}),
    "xvid-like avi": ("a.avi", "mpeg4", {"g": "12"}),
    "xvid-like avi with b-frames": ("a.avi", "mpeg4", {"g": "12", "bf": "2"}),
    "mjpeg avi": ("a.avi", "mjpeg", {}),
}
# What the part of a Matroska file that holds the frames begins with; its size in bytes follows.
SEGMENT = b"\x18\x53\x80\x67"
INDICES = [41, 3, 3, 0, 20, 59, 21]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.replace(" ", "_"))
def video(request, tmp_path_factory):
    name, codec, options = KINDS[request.param]
    return write_grey_video(tmp_path_factory.mktemp("video") / name, 60, codec, **options)


def test_the_frames_asked_for_in_the_order_asked_for(video):
    frames = read_frames(video, INDICES)
    assert frames.shape == (len(INDICES), HEIGHT, WIDTH, 3) and frames.dtype == np.uint8
    assert frame_numbers(frames) == INDICES


def test_a_window_of_the_frames(tmp_path):
    rng = np.random.default_rng(0)
    video = tmp_path / "a.mp4"
    write_video(video, rng.integers(0, 255, (5, 32, 48, 3)).astype(np.uint8), 30)
    window = Window(slice(3, 20), slice(10, 40))
    whole = read_frames(video, [1, 4])
    assert np.array_equal(read_frames(video, [1, 4], window), whole[:, 3:20, 10:40])
    assert read_frames(video, [], window).shape == (0, 17, 30, 3)


def test_every_frame_alone_is_the_one_of_a_straight_decoding(video):
    straight = list(iterate_frames(video))
    assert len(straight) == 60
    for index in range(0, 60, 7):
        assert np.array_equal(read_frames(video, [index])[0], straight[index])


def test_shape_without_decoding(video):
    assert video_shape(video) == (60, HEIGHT, WIDTH, FPS)
    check_video(video)


class CountingContainer:
    """Counts seeks and packets of a real container."""

    def __init__(self, container):
        self.container, self.seeks, self.packets = container, 0, 0
        self.name = container.name

    def seek(self, *args, **kwargs):
        self.seeks += 1
        self.container.seek(*args, **kwargs)

    def demux(self, stream):
        for packet in self.container.demux(stream):
            self.packets += 1
            yield packet


@pytest.mark.parametrize(("gop", "seeks", "most"), [("8", 1, 20), ("250", 0, 61)])
def test_seeks_where_key_frames_are_near_and_decodes_on_where_they_are_not(
    tmp_path, gop, seeks, most
):
    video = write_grey_video(tmp_path / "a.mp4", 60, "libx264", g=gop, sc_threshold="0", bf="0")
    with av.open(str(video)) as container:
        table = timetable(container, container.streams.video[0])
    with av.open(str(video)) as container:
        counting = CountingContainer(container)
        found = dict(_decode(counting, container.streams.video[0], [2, 57], table))
    assert frame_numbers([found[2], found[57]]) == [2, 57]
    assert counting.seeks == seeks and counting.packets <= most


@pytest.mark.parametrize("b_frames", ["0", "2"])
@pytest.mark.parametrize(("first", "last"), [(17, 59), (17, 39), (24, 47)])
def test_frames_hidden_by_a_cut_without_encoding_do_not_count(tmp_path, b_frames, first, last):
    options = {"g": "12", "bf": b_frames, "sc_threshold": "0"}
    whole = write_grey_video(tmp_path / "whole.mp4", 60, "libx264", **options)
    video = cut_out(whole, tmp_path / "cut.mp4", first, last)
    shown = list(range(first, last + 1))
    assert frame_numbers(iterate_frames(video)) == shown  # FFmpeg itself hides those before
    assert video_shape(video).frames == len(shown)
    check_video(video)
    assert frame_numbers(read_frames(video, range(len(shown)))) == shown
    for index in (0, 5, len(shown) - 1):
        assert frame_numbers(read_frames(video, [index])) == [first + index]


def test_a_frame_beyond_the_end_is_an_error_but_for_a_header_that_miscounts(tmp_path):
    video = write_grey_video(tmp_path / "a.avi", 20, "mjpeg")
    with pytest.raises(DamagedDataError, match=r"a\.avi has no frame 20"):
        read_frames(video, [4, 20])
    content = bytearray(video.read_bytes())
    length = content.index(b"vids") + 32
    content[length : length + 4] = struct.pack("<I", 22)
    video.write_bytes(content)
    assert frame_numbers(read_frames(video, [21])) == [19]
    check_video(video)
    with pytest.raises(DamagedDataError, match=r"a\.avi has no frame 22"):
        read_frames(video, [4, 22])
    with pytest.raises(ValueError, match="counted from 0, got -1"):
        read_frames(video, [-1])


def test_no_frames_have_the_video_s_size(tmp_path):
    video = write_grey_video(tmp_path / "a.mp4", 5, "libx264")
    assert read_frames(video, []).shape == (0, HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("read", [video_shape, check_video, lambda v: read_frames(v, [0])])
@pytest.mark.parametrize("content", [None, b"", b"no video" * 100])
def test_what_is_no_video_is_one_error(tmp_path, read, content):
    path = tmp_path / "clip.avi"
    if content is not None:
        path.write_bytes(content)
    error = MissingDataError if content is None else DamagedDataError
    with pytest.raises(error, match=r"clip\.avi"):
        read(path)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.avi", "mjpeg"), ("a.avi", "mpeg4"), ("a.mkv", "libx264")]
)
def test_a_truncated_video_is_found_by_its_check(tmp_path, name, codec):
    video = write_grey_video(tmp_path / name, 60, codec)
    content = video.read_bytes()
    video.write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedDataError, match=name):
        check_video(video)


def test_a_recording_of_unknown_size_is_whole(tmp_path):
    video = tmp_path / "a.mkv"
    content = write_grey_video(video, 60, "libx264").read_bytes()
    place = content.index(SEGMENT) + len(SEGMENT)
    # As a camera or a pipe leaves it: all bits of the size's eight bytes are ones.
    video.write_bytes(content[:place] + b"\x01" + 7 * b"\xff" + content[place + 8 :])
    check_video(video)


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_written_videos_are_read_back(tmp_path, suffix):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (30, 4, 4, 3)).astype(np.uint8).repeat(8, 1).repeat(8, 2)
    path = tmp_path / f"clip{suffix}"
    write_video(path, iter(frames), 29.97, crf=4)
    assert video_shape(path)[:3] == (30, 32, 32)
    assert video_shape(path).fps == pytest.approx(29.97, abs=0.01)
    back = read_frames(path, range(30))
    # Colour is stored at half the resolution, so single pixels can be off, pictures cannot.
    assert np.abs(back.astype(int) - frames).mean() < 12
    assert [path.name for path in tmp_path.iterdir()] == [path.name]


@pytest.mark.slow
def test_the_same_frames_give_the_same_bytes(tmp_path):
    """With memory in many states: on some machines x264 used to differ once in fifty times."""
    rng = np.random.default_rng(0)
    noise, wave = rng.integers(0, 255, (48, 48, 3)), np.arange(48)[None, :, None] / 6
    frames = [
        np.clip(np.roll(noise, i // 2, 1) * 0.3 + 80 + 20 * np.sin(i / 5 + wave), 0, 255)
        for i in range(60)
    ]
    frames = [frame.astype(np.uint8) for frame in frames]
    path, written, used = tmp_path / "video.avi", set(), []
    for _ in range(150):
        used = [*used[-4:], rng.integers(0, 255, rng.integers(1000, 200_000)).astype(np.uint8)]
        write_video(path, frames, FPS)
        written.add(path.read_bytes())
    assert len(written) == 1


def test_a_video_without_frames_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="no frames"):
        write_video(tmp_path / "a.mp4", [], 30)
    assert not list(tmp_path.iterdir())


def test_an_animated_webp_is_read_or_named_as_one(tmp_path):
    path = tmp_path / "take.webp"
    frames = [Image.new("RGB", (32, 32), (60 * i, 0, 0)) for i in range(4)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, lossless=True)
    try:
        reds = [frame[0, 0, 0] for frame in iterate_frames(path)]
    except FormatError as error:
        assert "save it as a GIF or an MP4" in str(error)
    else:  # a newer FFmpeg decodes it
        assert np.allclose(reds, [0, 60, 120, 180], atol=8)
