"""Views of an episode are paired by the times of their frames."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from datasets.errors import FormatError, MismatchError
from datasets.formats.videos import VideoSource, pair_by_time
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
