"""Views of an episode are paired by the times of their frames."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from datasets.errors import DataError, FormatError, MismatchError, MissingDataError
from datasets.formats.pairing import pair_by_time
from datasets.formats.videos import VideoSource
from tests.datasets.video.numbered import number, write


def numbers(source: VideoSource, view: str) -> list[int]:
    return [number(frame) for frame in source.episode(0).images[view]]


def test_equal_views_keep_all_frames_in_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for view in ("ego", "view_0"):
        write(tmp_path / "000000" / f"{view}.mp4", fps=20)
    source = VideoSource(tmp_path)
    assert (source.lengths, source.meta.control_hz, source.views) == ([30], 20.0, ["ego", "view_0"])
    assert numbers(source, "ego") == numbers(source, "view_0") == list(range(30))
    assert not caplog.records


def test_numbered_episodes_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = ["take_1", "take_2", "take_9", "take_10", "take_100"]
    for name in names:
        write(tmp_path / name / "ego.mp4", fps=20)
    assert VideoSource(tmp_path).names == names


@pytest.mark.parametrize("second", ["ego.avi", "ego.MP4"])
def test_two_videos_of_one_view_are_refused(tmp_path: Path, second: str) -> None:
    for name in ("ego.mp4", second, "view_0.mp4"):
        write(tmp_path / "000000" / name)
    assert VideoSource.recognizes(tmp_path)
    with pytest.raises(FormatError, match=r"Remove one") as refused:
        VideoSource(tmp_path)
    assert all(
        str(tmp_path / "000000" / name) in str(refused.value) for name in ("ego.mp4", second)
    )


def test_a_faster_view_gives_the_frames_nearest_in_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "ego.mp4", 59, fps=60)
    write(tmp_path / "view_0.mp4", 30, fps=30)
    with caplog.at_level(logging.WARNING):
        source = VideoSource(tmp_path)
    assert "ego (59 frames)" in caplog.text
    assert (source.lengths, source.meta.control_hz) == ([30], 30.0)
    assert numbers(source, "ego") == list(range(0, 59, 2))
    assert numbers(source, "view_0") == list(range(30))
    assert [number(frame) for frame in source.images(0, "ego", [3, 29, 0])] == [6, 58, 0]
    small = source.resized_episode(0, 32)
    assert small.images["ego"].shape == (30, 32, 32, 3)


def test_uneven_times_are_resampled_at_their_mean_rate(tmp_path: Path) -> None:
    # Every frame in the first half lasts twice as long as in the second.
    times = np.cumsum([0, *[0.1] * 10, *[0.05] * 20])
    write(tmp_path / "ego.mp4", 31, times=times)
    write(tmp_path / "view_0.mp4", 31, fps=15)
    source = VideoSource(tmp_path)
    assert source.meta.control_hz == pytest.approx(15, rel=0.01)
    expected = [int(np.abs(times - k / 15).argmin()) for k in range(31)]
    assert np.abs(np.array(numbers(source, "ego")) - expected).max() <= 1
    assert numbers(source, "view_0") == list(range(31))


@pytest.mark.parametrize(("count", "fps"), [(30, 60), (15, 30), (33, 30)])
def test_views_of_other_durations_are_refused(tmp_path: Path, count: int, fps: int) -> None:
    write(tmp_path / "ego.mp4", 30, fps=30)
    write(tmp_path / "view_0.mp4", count, fps=fps)
    with pytest.raises(MismatchError, match="view_0"):
        VideoSource(tmp_path)


def test_a_gap_in_one_view_is_refused() -> None:
    whole = np.arange(30) / 10
    gap = np.concatenate([whole[:10], whole[20:], whole[-1] + np.arange(1, 11) / 1000])
    with pytest.raises(MismatchError, match="view_0 has no frame"):
        pair_by_time({"ego": whole, "view_0": gap}, "episode")


def test_episodes_of_other_rates_are_refused(tmp_path: Path) -> None:
    for name, fps in (("a", 30), ("b", 20)):
        write(tmp_path / name / "ego.mp4", fps=fps)
    with pytest.raises(MismatchError, match="30.*20"):
        VideoSource(tmp_path)


def table(path: Path, columns: str, rows: np.ndarray) -> None:
    lines = [columns, *(",".join(f"{value:.9f}" for value in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def test_csv_files_give_the_clock_of_views_and_measurements(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # The second camera is faster, and began 0.3 s later by a clock that starts in 1970.
    start = 1_700_000_000.0
    write(tmp_path / "ego.mp4", 20, fps=30)
    write(tmp_path / "front.mp4", 50, fps=30)
    table(
        tmp_path / "ego.csv", "frame,time", np.stack([np.arange(20), start + np.arange(20) / 10]).T
    )
    table(tmp_path / "front.csv", "time_ms", (1e3 * (start + 0.3 + np.arange(50) / 30))[:, None])
    clock = start + np.arange(0, 2.5, 0.05)
    table(tmp_path / "joints.csv", "t,a,b", np.stack([clock, clock - start, 0 * clock + 7]).T)
    (tmp_path / "labels.csv").write_text("name,colour\ncube,red\n")
    with caplog.at_level(logging.WARNING):
        source = VideoSource(tmp_path)
    assert "labels.csv has no column of times and is not read" in caplog.text
    assert source.meta.control_hz == pytest.approx(10) and source.lengths == [17]
    assert numbers(source, "ego") == list(range(3, 20))
    assert numbers(source, "front") == list(range(0, 49, 3))
    joints = source.lazy_episode(0).observations["joints"]
    expected = np.stack([0.3 + np.arange(17) / 10, np.full(17, 7.0)], axis=1)
    assert joints == pytest.approx(expected, abs=1e-5)


def test_measurements_without_times_of_frames_are_counted_from_the_first(tmp_path: Path) -> None:
    write(tmp_path / "ego.mp4", 20, fps=10)
    table(tmp_path / "joints.csv", "time_s,a", np.stack([np.arange(40), np.arange(40)]).T / 20)
    source = VideoSource(tmp_path)
    assert source.episode(0).observations["joints"][:, 0] == pytest.approx(np.arange(20) / 10)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"ego": "time\n0\n1\n"}, "has 2 times, but ego has 20 frames"),
        ({"joints": "time,a\n0,1\n0,2\n"}, "time of line 3 does not come after"),
        ({"joints": "time,a\n0,1\n1,x\n"}, "line 3 holds something else than numbers"),
        ({"joints": "time,a\n0,1\n1\n"}, "line 3 has 1 values, not 2"),
        ({"joints": "time,a\n0,1\n0.1,2\n"}, "joints.csv, a has no value within"),
        ({"ego": "seconds\n0\n"}, "none of times: call it time"),
        ({"joints": "time,a\n"}, "has no rows"),
    ],
)
def test_what_a_csv_file_lacks_is_named(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    write(tmp_path / "ego.mp4", 20, fps=10)
    for stem, text in files.items():
        (tmp_path / f"{stem}.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        VideoSource(tmp_path)


def test_times_of_some_views_alone_are_refused(tmp_path: Path) -> None:
    for view in ("ego", "front"):
        write(tmp_path / f"{view}.mp4", 20, fps=10)
    table(tmp_path / "ego.csv", "time", np.arange(20)[:, None] / 10)
    with pytest.raises(MissingDataError, match=r"front\.csv does not exist"):
        VideoSource(tmp_path)
