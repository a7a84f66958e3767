"""Frames of a view, held in memory or read one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image

from datasets.errors import MismatchError

Picture = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class LazyFrames:
    """Frames that are read when they are used, in place of an array of all of them.

    An iteration holds one frame, so that its memory does not depend on the number of frames.

    Attributes:
        name: The file or folder, for messages.
        shape: (T, H, W, 3), as of an array.
        read: Returns the frames at given times, which never decrease, one at a time.
    """

    name: str
    shape: tuple[int, int, int, int]
    read: Callable[[Sequence[int]], Iterator[Picture]]
    dtype: ClassVar[np.dtype] = np.dtype(np.uint8)
    ndim: ClassVar[int] = 4

    def __len__(self) -> int:
        """Number of frames."""
        return self.shape[0]

    def __iter__(self) -> Iterator[Picture]:
        """Reads all frames in order.

        Raises:
            MismatchError: When a frame has another size than the first.
            DataError: When a frame cannot be read.
        """
        return self._checked(range(len(self)))

    def __getitem__(self, times: int | slice | Sequence[int] | np.ndarray) -> np.ndarray:
        """Reads the frames at some times, by the rules of arrays."""
        chosen = np.arange(len(self))[times]
        distinct = np.unique(chosen).tolist()
        found = dict(zip(distinct, self._checked(distinct), strict=True))
        if chosen.ndim == 0:
            return found[int(chosen)]
        return np.stack([found[time] for time in chosen.tolist()])

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        """Reads all frames into memory."""
        return np.stack(list(self)).astype(dtype or self.dtype, copy=False)

    def resized(self, size: int) -> LazyFrames:
        """The same frames at `size` pixels a side, resized as they are read."""

        def read(times: Sequence[int]) -> Iterator[Picture]:
            return (resize_frame(frame, size) for frame in self._checked(times))

        return replace(self, shape=(len(self), size, size, 3), read=read)

    def _checked(self, times: Sequence[int]) -> Iterator[Picture]:
        for frame in self.read(times):
            if frame.shape != self.shape[1:]:
                raise MismatchError(
                    f"{self.name} has frames of {_size(frame.shape)} and of "
                    f"{_size(self.shape[1:])} pixels; all frames of a view need one size."
                )
            yield frame


Frames: TypeAlias = UInt8[np.ndarray, "time height width 3"] | LazyFrames


def resize_frames(frames: Frames, size: int) -> Frames:
    """The frames at `size` pixels a side, by bicubic interpolation."""
    if frames.shape[1:3] == (size, size):
        return frames
    if isinstance(frames, LazyFrames):
        return frames.resized(size)
    return np.stack([resize_frame(frame, size) for frame in frames])


def resize_numbers(
    frames: Shaped[np.ndarray, "time height width"], size: int
) -> Shaped[np.ndarray, "time size size"]:
    """Depth or masks at `size` pixels a side: each pixel takes the value of the nearest one."""
    rows, columns = ((np.arange(size) + 0.5) * side / size for side in frames.shape[1:])
    return frames[:, rows.astype(int)[:, None], columns.astype(int)]


def resize_frame(frame: Picture, size: int) -> Picture:
    """The frame at `size` pixels a side, by bicubic interpolation."""
    return np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC))


def _size(shape: Sequence[int]) -> str:
    return f"{shape[1]} x {shape[0]}"
