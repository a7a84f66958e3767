"""NTU RGB+D's skeletons: the text files, and the pickled files that the authors' script makes."""

from __future__ import annotations

import io
import math
import pickle  # nosec B403 # loaded only where `trust_pickles` says so, and of arrays alone
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from datasets.clips.base import MAX_FRAMES, Bodies, Persons
from datasets.clips.files import read_bytes_file, read_text_file
from datasets.errors import DamagedDataError, DataError, FormatError, MissingDataError
from datasets.skeletons import NTU25
from datasets.storage.atomic import atomic_path
from datasets.video import video_shape

TEXT_SUFFIX = ".skeleton"
PICKLE_SUFFIX = ".skeleton.npy"
JOINTS = len(NTU25)
# The colour camera's pictures, whose pixels the files use.
SENSOR_WIDTH, SENSOR_HEIGHT = 1920, 1080

# Windows writes numbers that are not finite as -1.#IND, 1.#QNAN and 1.#INF.
_NOT_FINITE = ".#"
_BODY_FIELDS = 10
_JOINT_FIELDS = 12
# The fields of a joint that hold its place in space, and its place in the colour picture.
_SPACE, _COLOR = slice(0, 3), slice(5, 7)
# A pickle can run any function that it names. Only these, which arrays need, are allowed.
_PICKLED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
    *((f"numpy.{core}.multiarray", "scalar") for core in ("core", "_core")),
    ("_codecs", "encode"),
}


def is_pickle(skeleton: Path) -> bool:
    """Whether a file's name, in whatever case, says that it is a pickle."""
    return skeleton.name.lower().endswith(PICKLE_SUFFIX)


def read_text(path: Path, video_width: int) -> Persons:
    """Reads a `.skeleton` file, with LF or CRLF; pixels are scaled to the video's width.

    Raises:
        DataError: When the file is not valid; names it and the line.
    """
    return [_to_video(persons, video_width) for persons in _read_frames(path, _COLOR)]


def read_text_bodies(path: Path) -> Bodies:
    """Reads the joints in space of a `.skeleton` file, in metres of the depth camera.

    Raises:
        DataError: When the file is not valid; names it and the line.
    """
    return _read_frames(path, _SPACE)


def _read_frames(path: Path, part: slice) -> list[Float[np.ndarray, "persons joints numbers"]]:
    lines = _Lines(path)
    count = lines.integer("the number of frames", MAX_FRAMES)
    frames = [_read_frame(lines, part) for _ in range(count)]
    lines.finish()
    return frames


def _read_frame(lines: _Lines, part: slice) -> Float[np.ndarray, "persons joints numbers"]:
    bodies = [_read_body(lines, part) for _ in range(lines.integer("the number of bodies", 100))]
    return np.array(bodies, np.float64).reshape(len(bodies), JOINTS, part.stop - part.start)


def _read_body(lines: _Lines, part: slice) -> list[list[float]]:
    fields = lines.fields("a body", _BODY_FIELDS)
    lines.number(fields[0], int)  # the body's number has 17 digits: a float would round it
    if lines.integer("the number of joints", JOINTS) != JOINTS:
        raise lines.error(f"a body must have {JOINTS} joints")
    joints = []
    for _ in range(JOINTS):
        fields = lines.fields("a joint", _JOINT_FIELDS)
        joints.append([lines.number(field, float) for field in fields[part]])
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
            return math.nan if kind is float and _NOT_FINITE in field else kind(field)
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
    if is_pickle(skeleton):
        return video_shape(video).frames
    try:
        with open(skeleton, "rb") as file:
            return int(file.readline(32))
    except (OSError, ValueError) as error:
        raise FormatError(f"{skeleton} does not begin with its number of frames.") from error


def write_text(
    path: Path,
    keypoints: Float[np.ndarray, "time *persons keypoints 2"],
    video_width: int,
    joints: Float[np.ndarray, "time *persons keypoints 3"] | None = None,
) -> None:
    """Writes bodies with pixels scaled to the sensor's; one of which nothing is known is left out.

    The depth and orientation fields are 0, and without joints in space theirs are, too.
    """
    pixels = np.asarray(keypoints, np.float64) * (SENSOR_WIDTH / video_width)
    pixels = pixels.reshape(len(pixels), -1, JOINTS, 2)
    places = np.full((*pixels.shape[:-1], 3), np.nan)
    if joints is not None:
        places[:] = np.asarray(joints, np.float64).reshape(places.shape)
    lines = [str(len(pixels))]
    for frame in np.concatenate([places, pixels], axis=-1):
        bodies = [body for body in frame if np.isfinite(body).any()]
        lines.append(str(len(bodies)))
        lines += [line for number, body in enumerate(bodies) for line in _body_lines(number, body)]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n")


def _body_lines(number: int, body: Float[np.ndarray, "keypoints 5"]) -> list[str]:
    """A body's lines, from the place in space and the pixels of each joint."""
    # A number of a body as the Kinect gives it, its other fields 0, and 2 for "tracked".
    lines = [f"{72057594037944738 + number} 0 0 0 0 0 0 0 0 2", str(JOINTS)]
    for joint in body.tolist():  # floats of Python, which are formatted ten times sooner
        space, pixels = (_numbers(part) for part in (joint[:3], joint[3:]))
        tracked = 2 if all(map(math.isfinite, joint[3:])) else 0
        lines.append(f"{space} 0 0 {pixels} 0 0 0 0 {tracked}")
    return lines


def _numbers(values: list[float]) -> str:
    """Millimetres and thousandths of a pixel; 0 where a value of the point is missing."""
    if not all(map(math.isfinite, values)):
        return " ".join("0" * len(values))
    return " ".join(f"{value:.3f}" for value in values)


def read_pickled(path: Path, video_width: int, trust_pickles: bool) -> Persons:
    """Reads the pixels of a `.skeleton.npy` file, see `_read_pickled`.

    Raises:
        DataError: When pickles are not trusted, or the file holds anything else.
    """
    return list(_to_video(_read_pickled(path, "rgb_body", 2, trust_pickles), video_width))


def read_pickled_bodies(path: Path, trust_pickles: bool) -> Bodies:
    """Reads the joints in space of a `.skeleton.npy` file, see `_read_pickled`.

    Raises:
        DataError: When pickles are not trusted, or the file holds anything else.
    """
    return list(_read_pickled(path, "skel_body", 3, trust_pickles))


def _read_pickled(
    path: Path, key: str, numbers: int, trust_pickles: bool
) -> Float[np.ndarray, "time persons joints numbers"]:
    """Reads a pickled dict with `rgb_body0` (T, 25, 2), `skel_body0` (T, 25, 3) and so on.

    Only the classes that arrays need are loaded, but numpy's own code then runs on data of the
    file's choice.

    Raises:
        DataError: When pickles are not trusted, or the file holds anything else.
    """
    if not trust_pickles:
        raise FormatError(
            f"{path} is a pickle, which can harm when it is loaded. If you know where it comes "
            "from, allow it (--trust-pickles; in Python, trust_pickles); else use the "
            f"{TEXT_SUFFIX} files."
        )
    content = _load_pickled(path)
    if not isinstance(content, dict):
        raise FormatError(f"{path} holds no dict of bodies.")
    names = sorted(name for name in content if str(name).startswith(key))
    bodies = [content[name] for name in names]
    for name, body in zip(names, bodies, strict=True):
        if not isinstance(body, np.ndarray) or body.dtype.kind not in "fiu":
            raise FormatError(f"{path}: {name} is no array of numbers.")
        if body.shape[1:] != (JOINTS, numbers) or body.shape != bodies[0].shape:
            wanted = f"(frames, {JOINTS}, {numbers})"
            raise FormatError(f"{path}: {name} has shape {body.shape}, not {wanted}.")
        if len(body) > MAX_FRAMES:
            raise FormatError(f"{path}: {name} has {len(body)} frames, more than {MAX_FRAMES}.")
    if not bodies:
        raise MissingDataError(f"{path} has no `{key}0`; make it again with all fields.")
    return np.stack(bodies, axis=1)


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
