"""Checks of episode files before training starts: each error names the file and the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py

from datasets.errors import DataError

GENERATE_AGAIN = (
    "Delete it and run the command in meta.json again: whole episodes are kept, "
    "the missing one is made anew."
)


def open_episode(path: Path, attribute: str | None = "num_samples") -> h5py.File:
    """Opens an HDF5 file for reading.

    Args:
        path: An episode, or the index of a data set.
        attribute: What a whole file must have; None for an index.

    Raises:
        DataError: When the file is missing, truncated or half-written.
    """
    try:
        # An episode is written once and renamed, never changed, so no lock is needed; without
        # it read-only and network file systems work too.
        file = h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist, but the index names it. {GENERATE_AGAIN}"
        ) from None
    except OSError as error:
        raise DataError(
            f"{path} cannot be read as HDF5, truncated or half-written ({error}). {GENERATE_AGAIN}"
        ) from None
    if attribute is not None and attribute not in file.attrs:
        file.close()
        raise DataError(f"{path} is no whole episode: it lacks `{attribute}`. {GENERATE_AGAIN}")
    return file


def resolve_link(index: Path, link: h5py.ExternalLink | h5py.HardLink) -> Path:
    """The episode file that a link of the index names, which must lie in the data set's folder.

    Raises:
        DataError: When the entry is no external link, or leads outside the folder.
    """
    if not isinstance(link, h5py.ExternalLink):
        raise DataError(
            f"{index} holds episodes inside itself, not links to episode files; "
            "generate the data set with `python -m sims.generate`."
        )
    path = index.parent / link.filename
    if not path.resolve().is_relative_to(index.parent.resolve()):
        raise DataError(f"{index} names {link.filename}, outside its own folder; mend the index.")
    return path


def check_episodes(
    paths: Iterable[Path],
    views: Sequence[str],
    num_keypoints: int,
    window: int,
    need_keypoints: bool,
) -> None:
    """Raises a DataError at the first episode that cannot be trained on."""
    for path in paths:
        with open_episode(path) as file:
            _check_views(path, file, views, num_keypoints if need_keypoints else None)
            steps = int(file.attrs["num_samples"])
        if steps < 2 * window + 2:
            raise DataError(
                f"{path} has {steps} time steps, fewer than the {2 * window + 2} that a window of "
                f"{window} needs. Use a smaller --window, or delete the episode and run "
                "the command in meta.json again."
            )


def _check_views(
    path: Path, file: h5py.File, views: Sequence[str], num_keypoints: int | None
) -> None:
    steps = int(file.attrs["num_samples"])
    for view in views:
        if f"obs/{view}_image" not in file:
            raise DataError(f"{path} has no images of {view}. {GENERATE_AGAIN}")
        frames = len(file[f"obs/{view}_image"])
        if frames != steps:
            raise DataError(
                f"{path}: {view} has {frames} frames, the episode {steps} time steps; "
                f"views of one episode must be of one length. {GENERATE_AGAIN}"
            )
        if num_keypoints is None:
            continue
        for part, shape in (
            ("keypoints", (steps, num_keypoints, 2)),
            ("visible", (steps, num_keypoints)),
        ):
            name = f"obs/{view}_{part}"
            if name not in file:
                raise DataError(
                    f"{path} has no {part} of {view}: PAAB and PAAT need them. "
                    "Use --method deit, or data with keypoints."
                )
            if file[name].shape != shape:
                raise DataError(
                    f"{path}: {name} has shape {file[name].shape}, the skeleton asks for {shape}. "
                    f"{GENERATE_AGAIN}"
                )
