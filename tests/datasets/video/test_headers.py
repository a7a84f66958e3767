"""What headers say is applied, or noticed where the file holds something else."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from datasets.errors import DamagedDataError, FormatError
from datasets.video import check_video, iterate_frames, read_frames, video_shape, video_times
from tests.datasets.video.numbered import HEIGHT, WIDTH, number, picture, write


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
    content = bytearray(video.read_bytes())
    for name in (b"avih", b"strh"):  # total frames of the file, and length of the stream
        place = content.index(name) + 8 + (16 if name == b"avih" else 32)
        content[place : place + 4] = struct.pack("<I", 1_000_000)
    video.write_bytes(content)
    with pytest.raises(DamagedDataError, match="1000000"):
        video_shape(video)


def test_more_frames_than_declared_are_noticed(tmp_path: Path) -> None:
    video = write(tmp_path / "a.avi", codec="mjpeg", pixels="yuvj420p")
    content = bytearray(video.read_bytes())
    place = content.index(b"strh") + 8 + 32
    content[place : place + 4] = struct.pack("<I", 10)
    video.write_bytes(content)
    with pytest.raises(DamagedDataError, match="30 frames.* 10"):
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
