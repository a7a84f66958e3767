"""Checks of episodes before they are written and before training starts."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from datasets.errors import DamagedDataError, FormatError, MismatchError, MissingDataError
from datasets.storage.arrays import own_array, read_array
from datasets.storage.episode_file import (
    OVER_TIME,
    STREAMS,
    Episode,
    read_episode,
    read_lens,
    whole_number,
)
from datasets.storage.inside import require_own_content
from datasets.storage.meaning import require_sound
from datasets.storage.meta import DatasetMeta
from datasets.storage.seal import is_broken

# Only generation completes the folder that it wrote: `datasets.convert` overwrites nothing, and
# data that were written from Python hold no command.
_MAKE_WHOLE = (
    "If that is datasets.convert, or there is none, make all data again in another folder."
)
GENERATE_AGAIN = (
    "Delete it and run the command in meta.json again: complete episodes are kept, "
    f"the missing one is generated again. {_MAKE_WHOLE}"
)
LEAVE_OUT = "Correct it, or leave the episode out."
MAKE_MISSING = (
    "Run the command in meta.json again: complete episodes are kept, missing ones are generated. "
    f"{_MAKE_WHOLE}"
)
# A file that is as it was written, or has no seal to tell, may be all that is left of a recording.
MAKE_ELSEWHERE = (
    "It need not be deleted, because no seal says that it changed: use data with this content, or "
    "make a data set in another folder."
)
# An index is derived from the episodes.
WRITE_INDEX_AGAIN = (
    "Run the command in meta.json again: complete episodes are kept, and the index is written. "
    f"{_MAKE_WHOLE}"
)


def require_fit(index: int, episode: Episode, meta: DatasetMeta) -> None:
    """Checks an episode against its data set's metadata before it is written.

    Keypoints are required where the skeleton has any. Either all views have cameras or none has.

    Raises:
        MismatchError: When a view is missing, or a shape is wrong.
        FormatError: When a value cannot be what its name says.
    """
    steps, size, count = len(episode), meta.image_size, len(meta.get_skeleton())
    per_view: dict[str, tuple[Mapping[str, Any], list[tuple[int, ...]]]] = {
        "images": (episode.images, [(steps, size, size, 3)]),
    }
    if count:
        per_view["keypoints"] = (episode.keypoints, [(steps, count, 2)])
        per_view["visible"] = (episode.visible, [(steps, count)])
    for part in STREAMS:
        # Checked where the data set asks for them, and refused where it does not know of them.
        if getattr(meta, part) or getattr(episode, part):
            per_view[part] = (getattr(episode, part), [(steps, size, size)])
        if getattr(episode, part) and not getattr(meta, part):
            raise MismatchError(f"episode {index} has {part}, and meta.json does not. {LEAVE_OUT}")
    if episode.intrinsics or episode.world_to_camera:
        per_view["intrinsics"] = (episode.intrinsics, [(3, 3)])
        per_view["world_to_camera"] = (episode.world_to_camera, [(4, 4), (steps, 4, 4)])
    for part, (values, shapes) in per_view.items():
        if missing := sorted(set(meta.views) - values.keys()):
            raise MismatchError(f"episode {index} lacks {part} of the views {missing}. {LEAVE_OUT}")
        for view in meta.views:
            if values[view].shape not in shapes:
                wanted = " or ".join(map(str, shapes))
                raise MismatchError(
                    f"episode {index}: {part} of {view} must have shape {wanted}, "
                    f"got {values[view].shape}. {LEAVE_OUT}"
                )
    require_sound(episode, meta, f"episode {index}", LEAVE_OUT)


@contextmanager
def open_episode(
    path: Path,
    attribute: str | None = "num_samples",
    links_in: str | None = None,
    remedy: str | None = None,
) -> Iterator[h5py.File]:
    """Opens an HDF5 file for reading, and closes it.

    Args:
        path: An episode, or the index of a data set.
        attribute: Attribute that a complete file must have; None for a file of several episodes
            or an index.
        links_in: Group whose members may be links into other files, as in an index. The caller
            must not follow them.
        remedy: Advice for a missing or damaged file; by default to generate it again where its
            seal is broken.

    Raises:
        MissingDataError: When the file does not exist, or the block reads data that it lacks.
        DamagedDataError: When the file is truncated or half-written, or the block reads data that
            cannot be decoded.
        OutsideFolderError: When it links into another file.
    """
    try:
        # An episode is written once, renamed and never changed, so reading needs no lock.
        # Without locks, read-only and network file systems work too.
        file = h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        raise MissingDataError(f"{path} does not exist. {remedy or MAKE_MISSING}") from None
    except PermissionError:  # whose own text spans lines
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path)) from None
    except OSError as error:
        raise DamagedDataError(
            f"{path} cannot be read as HDF5, truncated or half-written ({error}). "
            f"{remedy or again(path)}"
        ) from None
    with file:
        if attribute is not None and attribute not in file.attrs:
            raise FormatError(
                f"{path} is no whole episode: it lacks `{attribute}`. {remedy or again(path)}"
            )
        try:
            require_own_content(file, path, links_in)
            yield file
        except KeyError as error:  # raised by h5py for a missing name
            if is_broken(path):
                raise DamagedDataError(f"{path} is damaged: {error}. {GENERATE_AGAIN}") from error
            reason = str(error.args[0]) if error.args else "a part is missing"
            raise MissingDataError(f"{path}: {reason}. {remedy or MAKE_ELSEWHERE}") from error
        except (OSError, RuntimeError) as error:  # raised by h5py for bytes that do not decode
            raise DamagedDataError(
                f"{path} is damaged: {error}. {remedy or again(path)}"
            ) from error


def again(path: Path) -> str:
    """The remedy for a file that cannot be used: to delete it only where its seal is broken."""
    return GENERATE_AGAIN if is_broken(path) else MAKE_ELSEWHERE


def check_episode(
    path: Path,
    meta: DatasetMeta,
    views: Sequence[str],
    need_keypoints: bool,
    window: int = 0,
    need_cameras: bool = False,
) -> int:
    """Checks the structure of one episode file and its phases, without reading other arrays.

    Args:
        path: The episode.
        meta: Facts that the episodes of the data set have in common.
        views: The views that training reads.
        need_keypoints: Whether the episode needs keypoints of these views.
        window: The time-contrastive window; an episode needs 2 * window + 2 time steps.
        need_cameras: Whether the episode needs the camera of every view of the data set.

    Returns:
        The episode's number of time steps.

    Raises:
        DataError: When the episode cannot be trained on; names the file and the remedy.
    """
    with open_episode(path) as file:
        steps = whole_number(file, "num_samples")
        observations = file["obs"]
        for view in views:
            _check_images(path, observations, view, steps, meta.image_size)
            _check_streams(path, observations, view, steps, meta)
            if need_keypoints:
                _check_keypoints(path, observations, view, steps, len(meta.get_skeleton()))
        for view in meta.views if need_cameras else ():
            _check_camera(path, file, view, steps)
        _check_lengths(path, file, steps)
        _check_phases(path, read_array(file, "phases"), meta)
        _check_viewpoint(path, file, meta)
    if steps < 2 * window + 2:
        raise MismatchError(
            f"{path} has {steps} time steps, fewer than the {2 * window + 2} that a window of "
            f"{window} needs. Use a smaller --loss.window, or data with longer episodes."
        )
    return steps


def check_values(path: Path, meta: DatasetMeta) -> None:
    """Checks all values of an episode file, except that frames are not decoded.

    Raises:
        DataError: At the first fault; names the file and the array.
    """
    with open_episode(path) as file:
        episode = read_episode(file, meta.views, meta.views, frames=None)
        for view in meta.views:
            own_array(file[f"obs/{view}_image"])
            for part, (ending, _) in STREAMS.items():
                if getattr(meta, part):
                    own_array(file[f"obs/{view}_{ending}"])
    require_sound(episode, meta, str(path), LEAVE_OUT)


def _described(group: h5py.Group, name: str) -> tuple[tuple[int, ...], np.dtype] | None:
    """Shape and type of an array; None where there is no array of that name."""
    # `file[name].shape` takes four times as long as this low-level call, and a large data set has
    # tens of thousands of shapes to check before training starts.
    try:
        array = h5py.h5d.open(group.id, name.encode())
    except (KeyError, TypeError):  # nothing of that name, or a group
        return None
    return array.shape or (), array.dtype


def _check_images(
    path: Path, observations: h5py.Group, view: str, steps: int, image_size: int
) -> None:
    found = _described(observations, f"{view}_image")
    if found is None:
        raise MissingDataError(f"{path} has no images of {view}. {again(path)}")
    shape, dtype = found
    if shape[:1] != (steps,):
        raise MismatchError(
            f"{path}: {view} has {shape[0] if shape else 0} frames, the episode {steps} time "
            f"steps; all views of an episode need the same length. {again(path)}"
        )
    if shape[1:] != (image_size, image_size, 3):
        raise MismatchError(
            f"{path}: frames of {view} have shape {shape[1:]}, the data set asks for "
            f"{(image_size, image_size, 3)}. {again(path)}"
        )
    if dtype != np.uint8:
        raise FormatError(f"{path}: frames of {view} are {dtype}, not uint8. {again(path)}")


def _check_streams(
    path: Path, observations: h5py.Group, view: str, steps: int, meta: DatasetMeta
) -> None:
    expected = (steps, meta.image_size, meta.image_size)
    for part, (ending, dtype) in STREAMS.items():
        if not getattr(meta, part):
            continue
        found = _described(observations, f"{view}_{ending}")
        if found is None:
            raise MissingDataError(
                f"{path} has no {part} of {view}, and meta.json promises it. {again(path)}"
            )
        if found != (expected, dtype):
            raise MismatchError(
                f"{path}: obs/{view}_{ending} is {found[1]} of shape {found[0]}, but must be "
                f"{dtype} of shape {expected}. {again(path)}"
            )


def _check_keypoints(
    path: Path, observations: h5py.Group, view: str, steps: int, num_keypoints: int
) -> None:
    for part, kind, expected in (
        ("keypoints", "f", (steps, num_keypoints, 2)),
        ("visible", "b", (steps, num_keypoints)),
    ):
        found = _described(observations, f"{view}_{part}")
        if found is None:
            raise MissingDataError(
                f"{path} has no {part} of {view}: PAAB and PAAT need them. "
                "Use --method deit, --pose-source motion, or data with keypoints, which `python -m "
                "datasets.keypoints` computes from a robot's joints."
            )
        shape, dtype = found
        if shape != expected:
            raise MismatchError(
                f"{path}: obs/{view}_{part} has shape {shape}, the skeleton asks for {expected}. "
                f"{again(path)}"
            )
        if dtype.kind != kind:
            raise FormatError(
                f"{path}: obs/{view}_{part} is {dtype}, but must be "
                f"{'floating-point' if kind == 'f' else 'boolean'}. {again(path)}"
            )


def _check_camera(path: Path, file: h5py.File, view: str, steps: int) -> None:
    shapes: dict[str, list[tuple[int, ...]]] = {
        "intrinsics": [(3, 3)],
        "world_to_camera": [(4, 4), (steps, 4, 4)],
    }
    for part, allowed in shapes.items():
        found = _described(file, f"cameras/{view}/{part}")
        if found is None:
            raise MissingDataError(
                f"{path} has no camera of {view}: --rays needs its {part}. Leave --rays out, or "
                "use data with cameras, as sims.generate and datasets.keypoints --cameras write."
            )
        if found[0] not in allowed:
            raise MismatchError(
                f"{path}: {part} of {view} has shape {found[0]}, but must have shape "
                f"{' or '.join(map(str, allowed))}. {again(path)}"
            )
    read_lens(file, view)  # raises when it cannot be


def _check_lengths(path: Path, file: h5py.File, steps: int) -> None:
    for name in OVER_TIME:
        found = _described(file, name)
        if found is not None and found[0][:1] != (steps,):
            raise MismatchError(
                f"{path}: {name} has shape {found[0]}, the episode {steps} time steps. "
                f"{again(path)}"
            )


def _check_viewpoint(path: Path, file: h5py.File, meta: DatasetMeta) -> None:
    found = file.attrs.get("viewpoint")
    if meta.viewpoints and found not in meta.viewpoints:
        raise FormatError(
            f"{path} has the viewpoint {found!r}; viewpoints are {meta.viewpoints}. {again(path)}"
        )


def _check_phases(path: Path, phases: np.ndarray, meta: DatasetMeta) -> None:
    if phases.dtype != np.uint8 or phases.ndim != 1:
        raise FormatError(
            f"{path}: phases are {phases.dtype} of shape {phases.shape}, not uint8 of shape "
            f"(time,). {again(path)}"
        )
    if phases.size and int(phases.max()) >= len(meta.phases):
        raise FormatError(
            f"{path} has phase {phases.max()}; phases are {meta.phases}. {again(path)}"
        )
