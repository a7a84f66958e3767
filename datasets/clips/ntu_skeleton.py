"""NTU RGB+D's skeletons: the text files, and the pickled files that the authors' script makes."""

from __future__ import annotations

import io
import pickle  # nosec B403 # loaded only where `trust_pickles` says so, and of arrays alone
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from datasets.clips.base import MAX_FRAMES, Persons
from datasets.clips.files import read_bytes_file, read_text_file
from datasets.errors import DamagedDataError, DataError, FormatError, MissingDataError
from datasets.skeletons import NTU25
from datasets.storage.atomic import atomic_path
from datasets.video import video_shape

TEXT_SUFFIX = ".skeleton"
PICKLE_SUFFIX = ".skeleton.npy"
JOINTS = len(NTU25)
# Width of the colour camera's pictures, whose pixels the files use.
SENSOR_WIDTH = 1920

_BODY_FIELDS = 10
_JOINT_FIELDS = 12
_COLOR_X = 5
# A pickle can run any function that it names. Only these, which arrays need, are allowed.
_PICKLED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
    *((f"numpy.{core}.multiarray", "scalar") for core in ("core", "_core")),
    ("_codecs", "encode"),
}


def read_text(path: Path, video_width: int) -> Persons:
    """Reads a `.skeleton` file, with LF or CRLF; pixels are scaled to the video's width.

    Raises:
        DataError: When the file is not valid; names it and the line.
    """
    lines = _Lines(path)
    count = lines.integer("the number of frames", MAX_FRAMES)
    persons = [_to_video(_read_frame(lines), video_width) for _ in range(count)]
    lines.finish()
    return persons


def _read_frame(lines: _Lines) -> Float[np.ndarray, "persons keypoints 2"]:
    bodies = [_read_body(lines) for _ in range(lines.integer("the number of bodies", 100))]
    return np.array(bodies, np.float64).reshape(len(bodies), JOINTS, 2)


def _read_body(lines: _Lines) -> list[list[float]]:
    fields = lines.fields("a body", _BODY_FIELDS)
    lines.number(fields[0], int)  # the body's number has 17 digits: a float would round it
    if lines.integer("the number of joints", JOINTS) != JOINTS:
        raise lines.error(f"a body must have {JOINTS} joints")
    joints = []
    for _ in range(JOINTS):
        fields = lines.fields("a joint", _JOINT_FIELDS)
        joints.append([lines.number(field, float) for field in fields[_COLOR_X : _COLOR_X + 2]])
    return joints


class _Lines:
    """The lines of a file, with errors that give the line number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0
        self._lines: Iterator[str] = iter(read_text_file(path).rstrip().splitlines())

    def error(self, problem: str) -> DamagedDataError:
        return DamagedDataError(
            f"{self.path}, line {self.position}: {problem}; copy the file again, or leave its "
            "clip out."
        )

    def fields(self, what: str, count: int) -> list[str]:
        self.position += 1
        line = next(self._lines, None)
        if line is None:
            raise self.error(f"the file ends where {what} should follow")
        fields = line.split()
        if len(fields) != count:
            raise self.error(f"{what} has {count} fields, not {len(fields)}")
        return fields

    def number(self, field: str, kind: Any) -> Any:
        try:
            return kind(field)
        except ValueError:
            raise self.error(f"{field[:30]!r} is no {kind.__name__}") from None

    def integer(self, what: str, largest: int) -> int:
        value = self.number(self.fields(what, 1)[0], int)
        if not 0 <= value <= largest:
            raise self.error(f"{what} is {value}, not 0 to {largest}")
        return int(value)

    def finish(self) -> None:
        self.position += 1
        if next(self._lines, None) is not None:
            raise self.error("lines follow the last frame")


def count_frames(skeleton: Path, video: Path) -> int:
    """Number of frames of a clip, from a text skeleton's first line or else from the video.

    Raises:
        DataError: When neither can be read.
    """
    if skeleton.name.endswith(PICKLE_SUFFIX):
        return video_shape(video).frames
    try:
        with open(skeleton, "rb") as file:
            return int(file.readline(32))
    except (OSError, ValueError) as error:
        raise FormatError(f"{skeleton} does not begin with its number of frames.") from error


def write_text(
    path: Path, keypoints: Float[np.ndarray, "time keypoints 2"], video_width: int
) -> None:
    """Writes one body with pixels scaled to the sensor's; frames without keypoints have no body.

    Only the colour pixels are known, so the world, depth and orientation fields are 0.
    """
    scaled = np.asarray(keypoints, np.float64) * (SENSOR_WIDTH / video_width)
    lines = [str(len(scaled))]
    for frame in scaled:
        seen = np.isfinite(frame).all(axis=1)
        lines.append(str(int(seen.any())))
        if not seen.any():
            continue
        # A number of a body as the Kinect gives it, its other fields 0, and 2 for "tracked".
        lines += ["72057594037944738 0 0 0 0 0 0 0 0 2", str(JOINTS)]
        for (x, y), tracked in zip(np.where(seen[:, None], frame, 0), seen, strict=True):
            lines.append(f"0 0 0 0 0 {x:.3f} {y:.3f} 0 0 0 0 {2 if tracked else 0}")
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n")


def read_pickled(path: Path, video_width: int, trust_pickles: bool) -> Persons:
    """Reads a `.skeleton.npy` file: a pickled dict with `rgb_body0` (T, 25, 2) and so on.

    Only the classes that arrays need are loaded, but numpy's own code then runs on data of the
    file's choice.

    Raises:
        DataError: When pickles are not trusted, or the file holds anything else.
    """
    if not trust_pickles:
        raise FormatError(
            f"{path} is a pickle, which can harm when it is loaded. If you know where it comes "
            f"from, allow it (`trust_pickles`); else use the {TEXT_SUFFIX} files."
        )
    content = _load_pickled(path)
    if not isinstance(content, dict):
        raise FormatError(f"{path} holds no dict of bodies.")
    names = sorted(name for name in content if str(name).startswith("rgb_body"))
    bodies = [content[name] for name in names]
    for name, body in zip(names, bodies, strict=True):
        if not isinstance(body, np.ndarray) or body.dtype.kind not in "fiu":
            raise FormatError(f"{path}: {name} is no array of numbers.")
        if body.shape[1:] != (JOINTS, 2) or body.shape != bodies[0].shape:
            raise FormatError(f"{path}: {name} has shape {body.shape}, not (frames, {JOINTS}, 2).")
        if len(body) > MAX_FRAMES:
            raise FormatError(f"{path}: {name} has {len(body)} frames, more than {MAX_FRAMES}.")
    if not bodies:
        raise MissingDataError(f"{path} has no `rgb_body0`; make it again with the colour pixels.")
    return list(_to_video(np.stack(bodies, axis=1), video_width))


def _to_video(points: np.ndarray, video_width: int) -> np.ndarray:
    """Scales the sensor's pixels to the video's; values that are not finite stay so."""
    with np.errstate(invalid="ignore", over="ignore"):
        return points.astype(np.float64) * (video_width / SENSOR_WIDTH)


def _load_pickled(path: Path) -> Any:
    try:
        file = io.BytesIO(read_bytes_file(path))
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("a newer version of the format")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype.kind != "O" or shape != ():
            raise ValueError("no pickled dict")
        return _ArrayUnpickler(file, encoding="latin1").load().item()
    except DataError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        what = " ".join(str(error).split())
        raise DamagedDataError(f"{path} cannot be read ({what}); make it again.") from error


# The unpickler in Python: the one in C allocates memory for any number of objects that a file
# claims to refer to, up to all memory.
class _ArrayUnpickler(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PICKLED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)
