"""Values of headers are applied, or noticed where the file holds something else."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from datasets.errors import DamagedDataError, FormatError
from datasets.video import check_video, iterate_frames, read_frames, video_shape, video_times
from tests.datasets.video.numbered import HEIGHT, WIDTH, number, picture, write


def changed(video: Path, after: bytes, offset: int, value: bytes) -> Path:
    """The video with some bytes replaced, counted from the end of a name in its header."""
    content = bytearray(video.read_bytes())
    place = content.index(after) + len(after) + offset
    content[place : place + len(value)] = value
    video.write_bytes(content)
    return video


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_video_is_read_upright(tmp_path: Path, suffix: str, turns: int) -> None:
    video = write(
        tmp_path / f"phone.{suffix}",
        turn=lambda image: np.rot90(image, turns),
        rotation=-90 * turns,
    )
    assert video_shape(video)[:3] == (30, HEIGHT, WIDTH)
    for frame in (*read_frames(video, [5]), list(iterate_frames(video))[5]):
        assert number(frame) == 5
        assert np.abs(frame.astype(int) - picture(5)).mean() < 8


@pytest.mark.parametrize("axis", [0, 1])
def test_a_mirrored_video_is_read_as_players_show_it(tmp_path: Path, axis: int) -> None:
    video = write(tmp_path / "selfie.mp4", turn=lambda image: np.flip(image, axis))
    matrix = [1, 0, 0, 0, 1, 0, 0, 0, 0x4000]
    matrix[4 * (1 - axis)] = -1
    changed(video, b"tkhd", 40, struct.pack(">9i", *(value << 16 for value in matrix)))
    assert [number(frame) for frame in read_frames(video, [5, 12])] == [5, 12]


def test_a_slanted_video_is_refused(tmp_path: Path) -> None:
    video = write(tmp_path / "slanted.mp4", rotation=30)
    with pytest.raises(FormatError, match=r"slanted\.mp4"):
        read_frames(video, [0])


@pytest.mark.parametrize("flags", ["frag_keyframe", "frag_keyframe+empty_moov"])
def test_a_fragmented_video_keeps_all_its_frames(tmp_path: Path, flags: str) -> None:
    video = write(tmp_path / "live.mp4", 60, gop=10, layout={"movflags": flags})
    assert video_shape(video).frames == 60
    check_video(video)
    assert [number(frame) for frame in read_frames(video, [59, 0, 31])] == [59, 0, 31]


def test_a_million_declared_frames_are_refused(tmp_path: Path) -> None:
    video = write(tmp_path / "a.avi", codec="mjpeg", pixels="yuvj420p")
    million = struct.pack("<I", 1_000_000)
    changed(video, b"avih", 20, million)  # frames of the file
    changed(video, b"vids", 28, million)  # length of the stream
    with pytest.raises(DamagedDataError, match="1000000"):
        video_shape(video)


def test_more_frames_than_declared_are_noticed(tmp_path: Path) -> None:
    video = write(tmp_path / "a.avi", codec="mjpeg", pixels="yuvj420p")
    changed(video, b"vids", 28, struct.pack("<I", 10))
    with pytest.raises(DamagedDataError, match="30 frames.* 10"):
        check_video(video)


IMPOSSIBLE = {
    "time unit of 0": ("a.mp4", b"mdhd", 12, bytes(4)),
    "frames of no duration": ("a.mp4", b"stts", 12, bytes(4)),
    "negative durations": ("a.mp4", b"stts", 12, struct.pack(">i", -512)),
    "a million frames": ("a.mp4", b"stts", 8, struct.pack(">I", 1_000_000)),
    "frames of ages": ("a.mp4", b"stts", 12, struct.pack(">I", 2**31 - 1)),
    "fewer sizes than frames": ("a.mp4", b"stsz", 8, struct.pack(">I", 10)),
    "more sizes than frames": ("a.mp4", b"stsz", 8, struct.pack(">I", 1_000_000)),
    "rate of 0": ("a.avi", b"vids", 20, bytes(4)),
    "rate per 0": ("a.avi", b"vids", 16, bytes(4)),
}


@pytest.mark.parametrize("case", IMPOSSIBLE, ids=lambda case: case.replace(" ", "-"))
def test_a_header_that_cannot_be_true_is_refused(tmp_path: Path, case: str) -> None:
    name, *change = IMPOSSIBLE[case]
    codec = ("mjpeg", "yuvj420p") if name == "a.avi" else ("libx264", "yuv420p")
    video = changed(write(tmp_path / name, codec=codec[0], pixels=codec[1]), *change)
    for read in (check_video, video_times, lambda v: list(iterate_frames(v))):
        with pytest.raises((DamagedDataError, FormatError), match=name):
            read(video)


@pytest.mark.slow
def test_times_in_the_order_of_storage_are_not_those_of_display(tmp_path: Path) -> None:
    video = write(tmp_path / "a.mp4", b_frames=2)
    changed(video, b"ctts", -4, b"free")  # the box that says how display differs from storage
    # The edit list hides two frames, as all players do.
    straight = [number(frame) for frame in iterate_frames(video)]
    assert straight == list(range(2, 30))
    assert [number(read_frames(video, [i])[0]) for i in range(28)] == straight
    assert video_times(video) == pytest.approx(np.arange(28) / 30)


def test_a_cut_fragment_is_noticed(tmp_path: Path) -> None:
    video = write(tmp_path / "live.mp4", 60, gop=10, layout={"movflags": "frag_keyframe"})
    content = video.read_bytes()
    video.write_bytes(content[: len(content) * 7 // 10])
    with pytest.raises(DamagedDataError, match=r"live\.mp4 lacks a part of its frame"):
        check_video(video)


def test_a_recording_from_the_middle_begins_at_its_first_key_frame(tmp_path: Path) -> None:
    video = write(tmp_path / "a.ts", 60, form="mpegts", gop=10, b_frames=2)
    content = video.read_bytes()
    video.write_bytes(content[len(content) * 2 // 5 // 188 * 188 :])  # packets of 188 bytes
    straight = [number(frame) for frame in iterate_frames(video)]
    assert straight == list(range(straight[0], 60)) and straight[0] % 10 == 0
    assert video_shape(video).frames == len(video_times(video)) == len(straight)
    assert number(read_frames(video, [7])[0]) == straight[7]
    check_video(video)


@pytest.mark.slow
def test_frames_of_vp8_that_are_references_alone_do_not_count(tmp_path: Path) -> None:
    video = write(tmp_path / "a.webm", 20, "libvpx")
    with av.open(str(video)) as container:
        frame = [bytes(packet) for packet in container.demux(video=0)][7]
    hidden = bytes([frame[0] & ~0x10]) + frame[1:]
    video.write_bytes(video.read_bytes().replace(frame, hidden))
    shown = [i for i in range(20) if i != 7]
    assert [number(frame) for frame in iterate_frames(video)] == shown
    assert [number(read_frames(video, [i])[0]) for i in range(19)] == shown
    assert video_shape(video).frames == 19


@pytest.mark.slow
def test_b_frames_that_share_a_packet_with_the_next_frame_are_read(tmp_path: Path) -> None:
    video = write(tmp_path / "divx.avi", 41, "mpeg4", b_frames=1, options={"b_strategy": "0"})
    with av.open(str(video)) as container:
        stored = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    start = b"\0\0\1\xb6"  # of a picture; the two bits that follow are 2 for a B-frame
    skipped = start + b"\x60\x7f"  # a picture that is not coded
    packed: list[bytes] = []
    for packet in stored:
        if packet[packet.index(start) + 4] >> 6 == 2:
            packed[-1:] = [packed[-1] + packet, skipped]
        else:
            packed.append(packet)
    packed[0] = packed[0].replace(start, b"\0\0\1\xb2DivX503b1393p" + start, 1)
    with av.open(str(video), "w") as container:
        stream = container.add_stream("mpeg4", 30)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for i, content in enumerate(packed):
            packet = av.Packet(content)
            packet.pts = packet.dts = i
            packet.stream, packet.time_base = stream, Fraction(1, 30)
            packet.is_keyframe = (
                content.find(start) > 0 and not content[content.index(start) + 4] >> 6
            )
            container.mux(packet)
    assert skipped in packed and len(packed) == 41
    assert [number(frame) for frame in iterate_frames(video)] == list(range(41))
    assert [number(read_frames(video, [i])[0]) for i in range(41)] == list(range(41))
    check_video(video)


def damaged(tmp_path: Path, frames: list[int]) -> Path:
    """A video of one group of pictures in which some frames' bytes are overwritten."""
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3))

    def grainy(image: np.ndarray) -> np.ndarray:
        return (0.7 * image + 0.3 * np.roll(noise, int(image.sum()) % 96, 0)).astype(np.uint8)

    video = write(tmp_path / "damaged.mp4", 60, gop=40, turn=grainy)
    with av.open(str(video)) as container:
        entries = [(e.pos, e.size) for e in container.streams.video[0].index_entries]
    content = bytearray(video.read_bytes())
    for frame in frames:
        place, size = entries[frame]
        middle = slice(place + size // 3, place + 2 * size // 3)
        content[middle] = bytes(37 * i % 256 for i in range(middle.stop - middle.start))
    video.write_bytes(content)
    return video


def test_frames_that_the_decoder_calls_corrupt_and_those_that_follow_are_an_error(
    tmp_path: Path,
) -> None:
    video = damaged(tmp_path, [20, 21])
    check_video(video)  # decodes the first frame alone
    with pytest.raises(DamagedDataError, match="frame 20"):
        list(iterate_frames(video))
    for index in (20, 30):
        with pytest.raises(DamagedDataError, match=f"frame {index}"):
            read_frames(video, [index])
    # Those before, and those after the next key frame, are whole.
    assert len(read_frames(video, [0, 19, 45])) == 3


def test_a_colon_in_a_relative_path_is_no_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a:b.mp4")
    monkeypatch.chdir(tmp_path)
    assert number(read_frames(Path("a:b.mp4"), [7])[0]) == 7
    check_video(Path("a:b.mp4"))


def test_times_are_those_of_the_container_or_of_the_rate(tmp_path: Path) -> None:
    uneven = [0, 0.1, 0.15, 0.4, 0.5]
    mp4 = write(tmp_path / "a.mp4", 5, times=uneven)
    assert video_times(mp4) == pytest.approx(uneven, abs=1e-3)
    avi = write(tmp_path / "a.avi", 5, fps=25, b_frames=2)
    assert video_times(avi) == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
