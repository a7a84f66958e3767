"""A data set from arrays: one call for an episode, and one that names the splits.

import datasets

for recording in recordings:
    datasets.write_episode("data/mine", {"front": front, "wrist": wrist}, joints=joints)
datasets.finish_data_set("data/mine", train=8, valid=1, test=1)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from datasets.console.home import expanded
from datasets.episodes import EPISODE_FOLDER, EpisodeWriter
from datasets.errors import MismatchError, OptionError, require_known
from datasets.given import (
    AnyCamera,
    by_view,
    camera_parts,
    keypoint_names,
    numbers,
    phase_numbers,
    pictures,
    rate_and_size,
    truths,
)
from datasets.lens import distorting
from datasets.skeletons import BUILT_IN, NO_SKELETON, SKELETONS, Skeleton
from datasets.source import UNLABELLED, USUAL_HZ, bare_episode, deal, usual_counts
from datasets.square import Fit, FitName, squared
from datasets.storage.alike import require_same_columns, require_same_facts
from datasets.storage.checks import LEAVE_OUT
from datasets.storage.episode_file import SPLITS, Episode
from datasets.storage.meaning import require_sound
from datasets.storage.meta import META_NAME, DatasetMeta

# The observation that `joints` becomes, which `datasets.keypoints --joints joint_pos` reads.
JOINTS = "joint_pos"


def write_episode(
    folder: Path | str,
    images: Mapping[str, UInt8[np.ndarray, "time height width 3"]],
    *,
    keypoints: Mapping[str, Float[np.ndarray, "time keypoints 2"]] | None = None,
    visible: Mapping[str, Bool[np.ndarray, "time keypoints"]] | None = None,
    cameras: Mapping[str, AnyCamera] | None = None,
    joints: Float[np.ndarray, "time joints"] | None = None,
    actions: Float[np.ndarray, "time actions"] | None = None,
    observations: Mapping[str, np.ndarray] | None = None,
    phases: Sequence[str] | None = None,
    phase_names: Sequence[str] = (UNLABELLED,),
    task: str | None = None,
    skeleton: Skeleton | str | Sequence[str] | None = None,
    hz: float = USUAL_HZ,
    size: int | None = None,
    fit: FitName = "pad",
) -> int:
    """Adds an episode to the data set in `folder`, which the first call makes.

    The first call decides the views, the size of the frames, the skeleton, the rate, the phases,
    and which measurements and cameras there are; later episodes must have the same.
    `finish_data_set` must follow the last episode.

    Frames are stored square. `fit="pad"` puts black bars on both sides of the shorter axis, and
    `fit="squeeze"` changes the ratio of the sides; then they are resized to `size`. Keypoints and
    intrinsics follow the frames.

    Args:
        folder: Folder of the data set.
        images: View to RGB frames; all views have one number of time steps.
        keypoints: View to pixels of the frames that are given, x right, y down; NaN where unknown.
        visible: View to whether each keypoint is seen, true or false; by default where it is inside
            the picture.
        cameras: View to its camera, or to its intrinsics in pixels of the frames that are given,
            (3, 3), and its world_to_camera, (4, 4) or (T, 4, 4), in metres and OpenCV's convention;
            a `datasets.lens.Lens` may follow these two.
        joints: Angles of the robot's joints, stored as the observation `joint_pos`.
        actions: The robot's commands.
        observations: Name to other measurements of each time step.
        phases: Name of the phase of each time step, one of `phase_names`.
        phase_names: Names of the phases, in their order.
        task: The task as a sentence, for policies that read one.
        skeleton: Skeleton of the keypoints: an object, the name of a built-in one, or names of the
            keypoints; by default keypoints are called point_0, point_1, ….
        hz: Time steps a second.
        size: Height and width of the stored frames in pixels; by default that of the data set, or
            the longest side of the first episode's frames.
        fit: How frames that are not square become square: `pad` or `squeeze`.

    Returns:
        The number of the episode, from 0.

    Raises:
        DataError: When an array does not fit the others or the episodes of the folder; names it.
        OptionError: When an argument is of another type, a name or number cannot be, or there is no
            view.
    """
    folder = _folder(folder)
    require_known("fit", fit, Fit, OptionError)
    hz, size = rate_and_size(hz, size)
    if task is not None and not isinstance(task, str):
        raise OptionError(f"task must be a sentence, got {task!r}.")
    frames = _frames(images)
    episode = bare_episode(frames)
    episode.task = task
    episode.phases = phase_numbers(phases, phase_names, len(episode))
    episode.keypoints = _points(keypoints, frames)
    episode.visible = _seen(episode, _named(visible, "visible", frames))
    parts = {v: camera_parts(v, c) for v, c in _named(cameras, "cameras", frames).items()}
    episode.intrinsics = {view: matrix for view, (matrix, _, _) in parts.items()}
    episode.world_to_camera = {view: poses for view, (_, poses, _) in parts.items()}
    episode.lenses = distorting({view: lens for view, (_, _, lens) in parts.items()})
    episode.observations = _measured(observations, joints)
    episode.actions = None if actions is None else numbers("actions", actions)
    stored = _stored(folder)
    named = _skeleton(skeleton, episode, folder)
    size = stored.image_size if size is None and stored is not None else size
    meta = _meta(folder, episode, named, phase_names, hz, size)
    if stored is not None:
        require_same_facts(folder, stored, meta)
    require_sound(episode, meta, "this episode", LEAVE_OUT)  # before anything is written
    writer = EpisodeWriter.begin(folder, meta)
    done = writer.done()
    if done:
        require_same_columns(writer, min(done), episode)
    number = max(done, default=-1) + 1
    writer.write(number, squared(episode, meta.image_size, fit))
    return number


def finish_data_set(
    folder: Path | str,
    train: int | None = None,
    valid: int | None = None,
    test: int | None = None,
) -> Path:
    """Writes the index of the episodes in `folder`, in the order in which they were written.

    The data set can be read after it. More episodes can be added later, followed by another call.

    Args:
        folder: Folder that `write_episode` filled.
        train: Number of training episodes, which come first; by default 70 % of all.
        valid: Number of validation episodes; by default 15 %, at least one where there are three.
        test: Number of test episodes, which come last; by default the rest.

    Returns:
        The index.

    Raises:
        OptionError: When some numbers are given and others are not, or they are not those of the
            episodes.
        DataError: When the folder holds no data set.
    """
    folder = _folder(folder)
    writer = EpisodeWriter(folder, DatasetMeta.load(folder))
    done = sorted(writer.done())
    given = [count for count in (train, valid, test) if count is not None]
    counts = given or usual_counts(len(done))
    whole = all(isinstance(count, int | np.integer) and count >= 0 for count in counts)
    if len(counts) != len(SPLITS) or not whole or sum(counts) != len(done):
        raise OptionError(
            f"{folder} has {len(done)} episodes; give train, valid and test, which must add up "
            f"to as many, got {dict(zip(SPLITS, (train, valid, test), strict=True))}."
        )
    return writer.write_index(
        {split: [done[i] for i in places] for split, places in deal(counts).items()}
    )


def _stored(folder: Path) -> DatasetMeta | None:
    """The properties that the episodes of a folder share; None where it holds none yet."""
    begun = (folder / META_NAME).exists() and any((folder / EPISODE_FOLDER).glob("*.hdf5"))
    return DatasetMeta.load(folder) if begun else None


def _folder(folder: Path | str) -> Path:
    """The folder of a data set, which need not exist yet.

    Raises:
        OptionError: When it is a file.
    """
    found = expanded(Path(folder))
    if found.exists() and not found.is_dir():
        raise OptionError(f"{found} is a file. Name a folder for the data set.")
    return found


def _frames(images: Any) -> dict[str, UInt8[np.ndarray, "time height width 3"]]:
    found = {v: pictures(f"images of {v}", f) for v, f in by_view(images, "images").items()}
    if not found:
        raise OptionError("images names no view; give {view: frames}, such as {'front': frames}.")
    lengths = {view: len(frames) for view, frames in found.items()}
    if len(set(lengths.values())) > 1 or not all(lengths.values()):
        raise MismatchError(
            f"images have {lengths} frames; every view needs one frame for each time step."
        )
    return found


def _named(values: Any, part: str, images: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
    values = {} if values is None else by_view(values, part)
    if unknown := sorted(values.keys() - images.keys()):
        raise MismatchError(f"{part} names the views {unknown}, but images has {sorted(images)}.")
    if missing := sorted(images.keys() - values.keys()) if values else []:
        raise MismatchError(
            f"{part} lacks the views {missing}; give {part} of every view, or of none."
        )
    return values


def _points(values: Any, images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    part = "keypoints"
    found = {
        view: numbers(f"{part} of {view}", points).astype(np.float32)
        for view, points in _named(values, part, images).items()
    }
    for view, points in found.items():
        wanted = (len(images[view]), points.shape[1] if points.ndim == 3 else "keypoints", 2)
        if points.shape != wanted:
            raise MismatchError(f"{part} of {view} must have shape {wanted}, got {points.shape}.")
    return found


def _seen(episode: Episode, visible: Mapping[str, Any]) -> dict[str, np.ndarray]:
    if visible and not episode.keypoints:
        raise MismatchError("visible was given without keypoints; give both.")
    seen = {}
    for view, points in episode.keypoints.items():
        height, width = episode.images[view].shape[1:3]
        inside = ((points >= 0) & (points < (width, height))).all(-1)  # NaN is outside
        given = truths(f"visible of {view}", visible.get(view, inside))
        if given.shape != inside.shape:
            raise MismatchError(
                f"visible of {view} must have shape {inside.shape}, got {given.shape}."
            )
        seen[view] = given & inside
    if seen and not any(each.any() for each in seen.values()):
        raise MismatchError(
            "keypoints are visible in no frame of any view: they must be pixels of the frames that "
            "are given, x right and y down. Leave them out where nothing is known."
        )
    return seen


def _measured(
    observations: Mapping[str, Any] | None, joints: Any
) -> dict[str, Float[np.ndarray, "time ..."]]:
    named = dict({} if observations is None else by_view(observations, "observations"))
    found = {name: numbers(f"observation {name}", values) for name, values in named.items()}
    if joints is None:
        return found
    if JOINTS in found:
        raise OptionError(f"joints are the observation {JOINTS}, which observations has as well.")
    return found | {JOINTS: numbers("joints", joints, axes=(1, 2)).astype(np.float64)}


def _skeleton(
    given: Skeleton | str | Sequence[str] | None, episode: Episode, folder: Path
) -> Skeleton:
    if not episode.keypoints:
        return NO_SKELETON
    count = next(iter(episode.keypoints.values())).shape[1]
    if isinstance(given, Skeleton):
        return given
    if isinstance(given, str):
        require_known("skeleton", given, SKELETONS)
        return SKELETONS[given]
    names = keypoint_names(given if given is not None else [f"point_{i}" for i in range(count)])
    return Skeleton(f"{folder.resolve().name}_points", names, ())


def _meta(
    folder: Path,
    episode: Episode,
    skeleton: Skeleton,
    phase_names: Sequence[str],
    hz: float,
    size: int | None,
) -> DatasetMeta:
    return DatasetMeta(
        env=folder.resolve().name,
        views=list(episode.images),
        skeleton=skeleton.name,
        image_size=size or max(max(f.shape[1:3]) for f in episode.images.values()),
        seed=0,
        phases=list(phase_names),
        control_hz=hz,
        own_skeleton=None if skeleton.name in BUILT_IN else skeleton,
    )
