"""The phase of every frame of unpaired videos: AE2's `label.pickle`, or a table `label.csv`.

label.pickle    a dictionary: name of a video to a number for each of its frames
label.csv       video,frame,phase
break_3,0,reach        from this frame on, counted from 0, this is its phase
break_3,41,crack
"""

from __future__ import annotations

import csv
import pickle  # nosec B403: see _Numbers
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from datasets.errors import DamagedDataError, FormatError, MismatchError, MissingDataError
from datasets.storage.meta import MOST_PHASES

PICKLE, TABLE = "label.pickle", "label.csv"
_COLUMNS = ["video", "frame", "phase"]
# What a pickle of lists and arrays of numbers is made of; NumPy 2 calls its `core` `_core`.
_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
}


class PhaseLabels(NamedTuple):
    """Phases of videos.

    Attributes:
        path: The file.
        names: Names of the phases.
        starts: Video to the first frame of each stretch and its phase, as the table has them.
        numbers: Video to the phase of every frame, as the pickle has them.
    """

    path: Path
    names: list[str]
    starts: Mapping[str, list[tuple[int, int]]]
    numbers: Mapping[str, UInt8[np.ndarray, " time"]]

    def of(self, video: str, frames: int) -> UInt8[np.ndarray, " time"]:
        """The phase of each frame of a video.

        Raises:
            MissingDataError: When the file does not name the video.
            MismatchError: When the video has another number of frames than labels.
        """
        if video in self.starts:
            return self._filled(video, frames)
        if video not in self.numbers:
            raise MissingDataError(
                f"{self.path} has no phases of {video}. Add them, or remove the video."
            )
        found = self.numbers[video]
        if len(found) != frames:
            raise MismatchError(
                f"{self.path} has {len(found)} phases of {video}, which has {frames} frames. Write "
                "one for each frame."
            )
        return found

    def _filled(self, video: str, frames: int) -> UInt8[np.ndarray, " time"]:
        starts = self.starts[video]
        if starts[-1][0] >= frames:
            raise MismatchError(
                f"{self.path}: {video} has a phase from frame {starts[-1][0]} on, but "
                f"{frames} frames. Correct the table."
            )
        phases = np.zeros(frames, np.uint8)
        for first, phase in starts:
            phases[first:] = phase
        return phases


def has_labels(folder: Path) -> bool:
    """Whether a folder holds a file of phases."""
    return any((folder / name).is_file() for name in (PICKLE, TABLE))


def read_labels(folder: Path) -> PhaseLabels:
    """Reads the phases of a folder's videos; the table, where both files are there.

    Raises:
        DataError: When a file cannot be read, or holds something else.
    """
    path = folder / TABLE
    return _read_table(path) if path.is_file() else _read_pickle(folder / PICKLE)


def _read_table(path: Path) -> PhaseLabels:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = [row for row in csv.reader(file) if row] or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path} is no CSV file ({error}). Write it again.") from None
    if [name.strip() for name in header] != _COLUMNS:
        raise FormatError(f"{path} must have the columns {','.join(_COLUMNS)}, got {header}.")
    names: dict[str, int] = {}
    starts: dict[str, list[tuple[int, int]]] = {}
    for line, row in enumerate(rows, 2):
        if len(row) != len(_COLUMNS) or not row[1].strip().isdecimal():
            raise FormatError(f"{path}: line {line} is {row}, not a video, a frame and a phase.")
        video, frame, phase = (value.strip() for value in row)
        of_video = starts.setdefault(video, [])
        expected = of_video[-1][0] + 1 if of_video else 0
        if int(frame) < expected or (not of_video and int(frame) > 0):
            raise FormatError(
                f"{path}: line {line} has the frame {frame} of {video}; the first row of a video "
                "is of frame 0, and later rows are of later frames. Correct it."
            )
        of_video.append((int(frame), names.setdefault(phase, len(names))))
    _require_few(path, len(names))
    return PhaseLabels(path, list(names), starts, {})


def _read_pickle(path: Path) -> PhaseLabels:
    stored = _unpickled(path)
    if not isinstance(stored, dict) or not stored:
        raise FormatError(f"{path} holds no dictionary of phases. Write {TABLE} in its place.")
    found = {str(video): _numbers(path, video, values) for video, values in stored.items()}
    count = 1 + max(int(values.max()) for values in found.values())
    return PhaseLabels(path, [f"phase_{k}" for k in range(count)], {}, found)


class _Numbers(pickle.Unpickler):
    """An unpickler that makes numbers and arrays of them alone, so that no file can run code."""

    def find_class(self, module: str, name: str) -> Any:
        """The constructor of an array or a number."""
        module = module.replace("numpy._core", "numpy.core")
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it makes a {module}.{name}")
        return super().find_class(module, name)


def _unpickled(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            return _Numbers(file).load()
    # Damaged pickles raise whatever the interrupted reading raises.
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError) as error:
        raise DamagedDataError(
            f"{path} is no pickle of numbers ({error}). Copy it again, or write {TABLE} in its "
            "place."
        ) from None
    except (AttributeError, ImportError, UnicodeError, MemoryError, OverflowError) as error:
        raise DamagedDataError(f"{path} is damaged ({error}). Copy it again.") from None


def _numbers(path: Path, video: object, values: Any) -> UInt8[np.ndarray, " time"]:
    try:
        found = np.asarray(values)
    except ValueError:  # rows of several lengths
        found = np.zeros(0)
    whole = found.ndim == 1 and found.size and found.dtype.kind in "iu"
    if not whole or found.min() < 0:
        raise FormatError(
            f"{path}: the phases of {video} must be whole numbers from 0 on, one for each frame. "
            f"Write {TABLE} in its place."
        )
    _require_few(path, int(found.max()) + 1)
    return found.astype(np.uint8)


def _require_few(path: Path, phases: int) -> None:
    if not 0 < phases <= MOST_PHASES:
        raise FormatError(f"{path} has {phases} phases; there may be 1 to {MOST_PHASES}.")
