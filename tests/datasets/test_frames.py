"""Frames that are read as they are used."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
from av.video.frame import VideoFrame

from datasets.errors import MismatchError
from datasets.frames import LazyFrames, resize_frames
from datasets.source import bare_episode
from datasets.storage.episode_file import write_episode
from datasets.video import lazy_frames
from tests.datasets.video.numbered import number, write

ARRAY = np.random.default_rng(0).integers(0, 255, (6, 4, 8, 3)).astype(np.uint8)


def lazy(asked: list[int]) -> LazyFrames:
    def read(times: Sequence[int]) -> Iterator[np.ndarray]:
        for time in times:
            asked.append(time)
            yield ARRAY[time]

    return LazyFrames("a folder", (6, 4, 8, 3), read)


@pytest.mark.parametrize("key", [2, -1, slice(1, None, 2), [5, 0, 0], np.array([3])])
def test_frames_are_chosen_as_from_an_array_and_no_others_are_read(key) -> None:
    asked: list[int] = []
    assert np.array_equal(lazy(asked)[key], ARRAY[key])
    assert asked == np.unique(np.arange(6)[key]).tolist()


def test_frames_are_read_one_at_a_time() -> None:
    asked: list[int] = []
    frames = iter(lazy(asked))
    next(frames)
    assert asked == [0]
    assert np.array_equal(np.asarray(lazy([])), ARRAY)


def test_frames_are_resized_as_they_are_read() -> None:
    asked: list[int] = []
    small = resize_frames(lazy(asked), 4)
    assert small.shape == (6, 4, 4, 3) and not asked
    assert np.array_equal(np.asarray(small), resize_frames(ARRAY, 4))


def test_a_frame_of_another_size_is_an_error() -> None:
    wide = LazyFrames("a folder", (1, 4, 9, 3), lambda times: iter(ARRAY[:1]))
    with pytest.raises(MismatchError, match=r"a folder.* 8 x 4 and of 9 x 4"):
        list(wide)


def test_lazy_frames_are_written_as_an_array_is(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        write_episode(file, bare_episode({"ego": lazy([])}), ["ego"])
        assert np.array_equal(file["obs/ego_image"], ARRAY)


@pytest.mark.slow
def test_frames_of_a_video_are_repeated_and_not_kept(tmp_path: Path) -> None:
    video = write(tmp_path / "a.mp4")
    gc.collect()
    gc.disable()  # memory must not wait for the collector
    try:
        frames = lazy_frames(video, np.array([2, 2, 5, 9, 9, 9, 20]))
        assert [number(frame) for frame in frames] == [2, 2, 5, 9, 9, 9, 20]
        assert sum(type(thing) is VideoFrame for thing in gc.get_objects()) <= 3
    finally:
        gc.enable()
    assert [number(frame) for frame in frames[[4, 0]]] == [9, 2]
