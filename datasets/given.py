"""What a caller of `datasets.write_episode` gave, checked argument by argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from datasets.bounds import Hertz, Pixels, require_values_in_bounds
from datasets.cameras import Camera
from datasets.errors import FormatError, MismatchError, OptionError, require_known, shortened
from datasets.lens import Lens
from datasets.storage.meta import MOST_PHASES

# A camera, or its intrinsics and its poses, and its lens where it distorts.
AnyCamera = Camera | tuple[np.ndarray, np.ndarray] | tuple[np.ndarray, np.ndarray, Lens]

_CAMERA = "a Camera, or intrinsics and world_to_camera, which a datasets.lens.Lens may follow"
_SHOWN = 3


def by_view(values: Any, part: str) -> Mapping[str, Any]:
    """A mapping from names of views.

    Raises:
        OptionError: When it is none, or a name cannot be part of a file's name.
    """
    if not isinstance(values, Mapping):
        raise OptionError(
            f"{part} must be {{view: array}}, such as {{'front': array}}, got "
            f"{type(values).__name__}."
        )
    require_names(part, values)
    return values


def require_names(part: str, names: Sequence[Any] | Mapping[Any, Any]) -> None:
    """Checks that names can be those of arrays and files.

    Raises:
        OptionError: When one is no text, is empty, begins with a dot, or has a slash or a control
            character.
    """
    for name in names:
        plain = isinstance(name, str) and name.isprintable() and not {"/", "\\"} & set(name)
        if not plain or not name or name.startswith("."):
            raise OptionError(f"{part} has the name {name!r}: give a word such as 'front'.")


def pictures(part: str, frames: Any) -> UInt8[np.ndarray, "time height width 3"]:
    """RGB frames.

    Raises:
        FormatError: When they are something else.
    """
    found = _array(part, frames, "one array, so all frames need one size")
    if found.ndim != 4 or found.shape[3] != 3 or found.dtype != np.uint8 or 0 in found.shape[1:]:
        raise FormatError(
            f"{part} must be uint8 RGB of shape (time, height, width, 3), got {found.dtype} of "
            f"shape {found.shape}."
        )
    return found


def numbers(part: str, values: Any, axes: Sequence[int] = ()) -> np.ndarray:
    """An array of numbers.

    Args:
        part: Its name, for messages.
        values: Numbers in arrays or lists.
        axes: How many axes it may have; any number by default.

    Raises:
        FormatError: When it holds something else, has gaps, or has another number of axes.
    """
    if np.ma.is_masked(values):
        raise FormatError(f"{part} has masked values: fill them, or leave their time steps out.")
    found = _array(part, values, "numbers in rows of one length")
    try:
        found = found.astype(np.float64) if found.dtype.kind in "OUS" else found
    except (TypeError, ValueError) as error:
        reason = str(error).rstrip(".")
        raise FormatError(f"{part} must be numbers, but {reason}.") from None
    if found.dtype.kind not in "fiub":
        raise FormatError(f"{part} must be numbers, got {found.dtype}.")
    if axes and (found.ndim not in axes or 0 in found.shape[1:]):
        raise FormatError(
            f"{part} must have one row for each time step and one or more columns, got shape "
            f"{found.shape}."
        )
    return found


def truths(part: str, values: Any) -> Bool[np.ndarray, ...]:
    """Truth values; confidences are refused, since only the user knows where to cut them.

    Raises:
        FormatError: When a number is neither 0 nor 1.
    """
    found = numbers(part, values)
    if not np.isin(found, (0, 1)).all():
        wrong = found[~np.isin(found, (0, 1))].flat[0]
        raise FormatError(
            f"{part} must be true or false, got {wrong:g}. Compare confidences with a threshold, "
            "such as confidence > 0.5."
        )
    return found.astype(bool)


def camera_parts(view: str, camera: Any) -> tuple[np.ndarray, np.ndarray, Lens]:
    """Intrinsics, poses and lens of a camera.

    Raises:
        FormatError: When it is no camera, or its matrices have another shape.
    """
    if isinstance(camera, Camera):
        return camera.intrinsics, camera.world_to_camera, camera.lens
    if not isinstance(camera, tuple | list) or len(camera) not in (2, 3):
        raise FormatError(f"cameras of {view} must be {_CAMERA}, got {type(camera).__name__}.")
    lens = camera[2] if len(camera) == 3 else Lens()
    if not isinstance(lens, Lens):
        raise FormatError(f"cameras of {view} must be {_CAMERA}.")
    intrinsics = numbers(f"intrinsics of {view}", camera[0]).astype(np.float64)
    poses = numbers(f"world_to_camera of {view}", camera[1]).astype(np.float64)
    if intrinsics.shape != (3, 3) or poses.shape[-2:] != (4, 4):
        raise FormatError(
            f"cameras of {view} must be intrinsics of shape (3, 3) and world_to_camera of shape "
            f"(4, 4) or (time, 4, 4), in this order, got {intrinsics.shape} and {poses.shape}."
        )
    return intrinsics, poses, lens


def phase_numbers(
    phases: Sequence[str] | None, names: Sequence[str], steps: int
) -> UInt8[np.ndarray, " time"]:
    """The number of the phase of each time step.

    Raises:
        OptionError: When the names of phases cannot be stored.
        UnknownNameError: When a phase has another name.
        MismatchError: When there are more or fewer phases than time steps.
    """
    names = list(names)
    if not 1 <= len(set(names)) == len(names) <= MOST_PHASES or not _texts(names):
        raise OptionError(
            f"phase_names must be 1 to {MOST_PHASES} different names, got "
            f"{shortened([repr(name) for name in names], _SHOWN)}."
        )
    if phases is None:
        return np.zeros(steps, np.uint8)
    if isinstance(phases, str) or not _texts(phases):
        raise OptionError(f"phases must name the phase of each time step, such as {names[0]!r}.")
    for name in phases:
        require_known("phase", name, names)
    if len(phases) != steps:
        raise MismatchError(f"phases has {len(phases)} time steps, images {steps}.")
    return np.array([names.index(name) for name in phases], np.uint8)


def keypoint_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of keypoints.

    Raises:
        OptionError: When they are no different names.
    """
    found = tuple(names)
    if not _texts(found) or not all(found) or len(set(found)) < len(found):
        raise OptionError(
            "skeleton must be a Skeleton, the name of one, or a different name for each keypoint, "
            f"got {shortened([repr(name) for name in found], _SHOWN)}."
        )
    return found


def rate_and_size(hz: Any, size: Any) -> tuple[float, int | None]:
    """Time steps a second, and height and width of the frames in pixels, as Python's own numbers.

    Raises:
        OptionError: When one is no number, or out of its bounds.
    """
    given = {"hz": hz} if size is None else {"hz": hz, "size": size}
    for name, value in given.items():
        whole = name == "size"
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise OptionError(f"{name} must be a number, got {value!r}.")
        if whole and value != int(value):
            raise OptionError(f"{name} must be a whole number of pixels, got {value}.")
    require_values_in_bounds(
        {
            name: number.item() if isinstance(number, np.number) else number
            for name, number in given.items()
        },
        {"hz": Hertz, "size": Pixels},
        prefix="",
    )
    return float(hz), None if size is None else int(size)


def _texts(names: Sequence[Any]) -> bool:
    return all(isinstance(name, str) for name in names)


def _array(part: str, values: Any, wanted: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except (TypeError, ValueError):
        raise FormatError(f"{part} must be {wanted}.") from None
