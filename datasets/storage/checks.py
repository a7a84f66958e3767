"""Checks of episodes before they are written and before training starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from datasets.errors import DamagedDataError, MismatchError, MissingDataError
from datasets.storage.episode_file import OVER_TIME, Episode
from datasets.storage.inside import require_own_content
from datasets.storage.meta import DatasetMeta

GENERATE_AGAIN = (
    "Delete it and run the command in meta.json again: complete episodes are kept, "
    "the missing one is generated again."
)
MAKE_MISSING = (
    "Run the command in meta.json again: complete episodes are kept, missing ones are generated."
)


def require_fit(index: int, episode: Episode, meta: DatasetMeta) -> None:
    """Checks an episode against its data set's metadata before it is written.

    Keypoints are required where the skeleton has any. Either all views have cameras or none has.

    Raises:
        ValueError: When a view is missing, or a shape is wrong.
    """
    steps, size, count = len(episode), meta.image_size, len(meta.get_skeleton())
    per_view: dict[str, tuple[dict[str, np.ndarray], list[tuple[int, ...]]]] = {
        "images": (episode.images, [(steps, size, size, 3)]),
    }
    if count:
        per_view["keypoints"] = (episode.keypoints, [(steps, count, 2)])
        per_view["visible"] = (episode.visible, [(steps, count)])
    if episode.intrinsics or episode.world_to_camera:
        per_view["intrinsics"] = (episode.intrinsics, [(3, 3)])
        per_view["world_to_camera"] = (episode.world_to_camera, [(4, 4), (steps, 4, 4)])
    for part, (values, shapes) in per_view.items():
        if missing := sorted(set(meta.views) - values.keys()):
            raise ValueError(f"episode {index} lacks {part} of the views {missing}.")
        for view in meta.views:
            if values[view].shape not in shapes:
                wanted = " or ".join(map(str, shapes))
                raise ValueError(
                    f"episode {index}: {part} of {view} must have shape {wanted}, "
                    f"got {values[view].shape}."
                )
    require_one_length(index, episode)
    if steps and int(episode.phases.max()) >= len(meta.phases):
        raise ValueError(
            f"episode {index} has phase {episode.phases.max()}; phases are {meta.phases}."
        )


def require_one_length(index: int, episode: Episode) -> None:
    """Checks that every array over time is as long as the episode, before it is written.

    Raises:
        DataError: When an array is longer or shorter; names it.
    """
    over_time = {name: getattr(episode, name) for name in OVER_TIME} | episode.observations
    for part in ("images", "keypoints", "visible"):
        over_time |= {f"{part} of {view}": v for view, v in getattr(episode, part).items()}
    for name, value in over_time.items():
        if value is not None and len(value) != len(episode):
            raise MismatchError(
                f"episode {index}: {name} has {len(value)} time steps, the episode {len(episode)}. "
                "Cut the longer one, or leave the episode out."
            )


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
        remedy: Advice for a missing or damaged file; by default to generate it again.

    Raises:
        DataError: When the file is missing, truncated or half-written, when it links into another
            file, or when the block reads data that are missing or damaged.
    """
    again = remedy or GENERATE_AGAIN
    try:
        # An episode is written once, renamed and never changed, so reading needs no lock.
        # Without locks, read-only and network file systems work too.
        file = h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        raise MissingDataError(f"{path} does not exist. {remedy or MAKE_MISSING}") from None
    except PermissionError:
        raise
    except OSError as error:
        raise DamagedDataError(
            f"{path} cannot be read as HDF5, truncated or half-written ({error}). {again}"
        ) from None
    with file:
        if attribute is not None and attribute not in file.attrs:
            raise DamagedDataError(f"{path} is no whole episode: it lacks `{attribute}`. {again}")
        try:
            require_own_content(file, path, links_in)
            yield file
        # h5py raises these for a missing name and for bytes that do not decode.
        except (KeyError, OSError, RuntimeError) as error:
            raise DamagedDataError(f"{path} is damaged: {error}. {again}") from error


def check_episode(
    path: Path,
    views: Sequence[str],
    image_size: int,
    num_keypoints: int | None,
    window: int = 0,
) -> int:
    """Checks the structure of one episode file without reading its frames.

    Args:
        path: The episode.
        views: The views that training reads.
        image_size: Height and width in pixels.
        num_keypoints: The skeleton's number of keypoints; None where keypoints are not needed.
        window: The time-contrastive window; an episode needs 2 * window + 2 time steps.

    Returns:
        The episode's number of time steps.

    Raises:
        DataError: When the episode cannot be trained on; names the file and the remedy.
    """
    with open_episode(path) as file:
        steps = int(file.attrs["num_samples"])
        observations = file["obs"]
        for view in views:
            _check_images(path, observations, view, steps, image_size)
            if num_keypoints is not None:
                _check_keypoints(path, observations, view, steps, num_keypoints)
    if steps < 2 * window + 2:
        raise MismatchError(
            f"{path} has {steps} time steps, fewer than the {2 * window + 2} that a window of "
            f"{window} needs. Use a smaller --loss.window, or delete the episode and run "
            "the command in meta.json again."
        )
    return steps


def _shape(group: h5py.Group, name: str) -> tuple[int, ...] | None:
    # `file[name].shape` takes four times as long as this low-level call, and a large data set has
    # tens of thousands of shapes to check before training starts.
    try:
        return h5py.h5d.open(group.id, name.encode()).shape
    except KeyError:
        return None


def _check_images(
    path: Path, observations: h5py.Group, view: str, steps: int, image_size: int
) -> None:
    shape = _shape(observations, f"{view}_image")
    if shape is None:
        raise MissingDataError(f"{path} has no images of {view}. {GENERATE_AGAIN}")
    if shape[0] != steps:
        raise MismatchError(
            f"{path}: {view} has {shape[0]} frames, the episode {steps} time steps; "
            f"all views of an episode need the same length. {GENERATE_AGAIN}"
        )
    if shape[1:] != (image_size, image_size, 3):
        raise MismatchError(
            f"{path}: frames of {view} have shape {shape[1:]}, the data set asks for "
            f"{(image_size, image_size, 3)}. {GENERATE_AGAIN}"
        )


def _check_keypoints(
    path: Path, observations: h5py.Group, view: str, steps: int, num_keypoints: int
) -> None:
    for part, expected in (
        ("keypoints", (steps, num_keypoints, 2)),
        ("visible", (steps, num_keypoints)),
    ):
        shape = _shape(observations, f"{view}_{part}")
        if shape is None:
            raise MissingDataError(
                f"{path} has no {part} of {view}: PAAB and PAAT need them. "
                "Use --method deit, or data with keypoints."
            )
        if shape != expected:
            raise MismatchError(
                f"{path}: obs/{view}_{part} has shape {shape}, the skeleton asks for {expected}. "
                f"{GENERATE_AGAIN}"
            )
