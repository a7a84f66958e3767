"""Reading the frames of a video for several uses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Int, UInt8

# Reads the frames of a video at increasing time steps.
Reader = Callable[[np.ndarray], UInt8[np.ndarray, "time height width 3"]]


class ReadOnce:
    """A reader that keeps the frames of its last call, so that the next use reads only others."""

    def __init__(self, read: Reader) -> None:
        """Reads nothing yet."""
        self._read = read
        self._frames: dict[int, UInt8[np.ndarray, "height width 3"]] = {}

    def __call__(self, times: Int[np.ndarray, " time"]) -> UInt8[np.ndarray, "time height width 3"]:
        """The frames at increasing time steps; those of the last call are not read again."""
        if not self._frames.keys() & set(times.tolist()):
            frames = self._read(times)
        else:
            missing = np.array([t for t in times.tolist() if t not in self._frames], int)
            read = zip(missing.tolist(), self._read(missing) if missing.size else (), strict=True)
            known = {**self._frames, **dict(read)}
            frames = np.stack([known[t] for t in times.tolist()])
        self._frames = dict(zip(times.tolist(), frames, strict=True))
        return frames
