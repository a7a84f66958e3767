"""A data set from arrays: one call for an episode, and one that names the splits.

import datasets

for recording in recordings:
    datasets.write_episode("data/mine", {"front": front, "wrist": wrist}, joints=joints)
datasets.finish_data_set("data/mine", train=8, valid=1, test=1)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8

from datasets.cameras import Camera
from datasets.episodes import EPISODE_FOLDER, EpisodeWriter
from datasets.errors import FormatError, MismatchError, OptionError, require_known
from datasets.lens import Lens, distorting
from datasets.skeletons import BUILT_IN, NO_SKELETON, SKELETONS, Skeleton
from datasets.source import UNLABELLED, USUAL_HZ, bare_episode, deal
from datasets.square import Fit, FitName, squared
from datasets.storage.episode_file import SPLITS, Episode
from datasets.storage.meta import META_NAME, DatasetMeta

# A camera, or its intrinsics and its poses, and its lens where it distorts.
AnyCamera = Camera | tuple[np.ndarray, np.ndarray] | tuple[np.ndarray, np.ndarray, Lens]
# The observation that `joints` becomes, which `datasets.keypoints --joints joint_pos` reads.
JOINTS = "joint_pos"
# Shares of the training and validation episodes where a data set is finished without numbers.
_USUAL_SHARES = (0.7, 0.15)


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

    The first call decides the views, the size of the frames, the skeleton, the rate and the phases;
    later episodes must have the same. `finish_data_set` must follow the last episode.

    Frames are stored square. `fit="pad"` puts black bars on both sides of the shorter axis, and
    `fit="squeeze"` changes the ratio of the sides; then they are resized to `size`. Keypoints and
    intrinsics follow the frames.

    Args:
        folder: Folder of the data set.
        images: View to RGB frames; all views have one number of time steps.
        keypoints: View to pixels of the frames that are given, x right, y down; NaN where unknown.
        visible: View to whether each keypoint is seen; by default where it is inside the picture.
        cameras: View to its camera, or to its intrinsics in pixels of the frames that are given,
            (3, 3), and its world_to_camera, (4, 4) or (T, 4, 4), in metres and OpenCV's convention;
            a `datasets.lens.Lens` may follow these two.
        joints: Angles of the robot's joints, stored as the observation `joint_pos`.
        actions: What the robot was told.
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
        OptionError: When `fit` is unknown, or there is no view.
    """
    folder = Path(folder)
    require_known("fit", fit, Fit, OptionError)
    images = {view: np.asarray(frames) for view, frames in images.items()}
    _require_frames(images)
    episode = bare_episode(images)
    episode.task = task
    episode.phases = _phase_numbers(phases, phase_names, len(episode))
    episode.keypoints = _floats(keypoints, "keypoints", images)
    episode.visible = _seen(episode, _named(visible, "visible", images))
    parts = {v: _parts(v, c) for v, c in _named(cameras, "cameras", images).items()}
    episode.intrinsics = {view: matrix for view, (matrix, _, _) in parts.items()}
    episode.world_to_camera = {view: poses for view, (_, poses, _) in parts.items()}
    episode.lenses = distorting({view: lens for view, (_, _, lens) in parts.items()})
    episode.observations = {name: np.asarray(v) for name, v in (observations or {}).items()}
    if joints is not None:
        episode.observations[JOINTS] = np.asarray(joints, np.float64)
    episode.actions = None if actions is None else np.asarray(actions)
    stored = _stored(folder)
    named = _skeleton(skeleton, episode, folder)
    size = stored.image_size if size is None and stored is not None else size
    meta = _meta(folder, episode, named, phase_names, hz, size)
    if stored is not None:
        _require_same(folder, stored, meta)
    writer = EpisodeWriter.begin(folder, meta)
    number = max(writer.done(), default=-1) + 1
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
    folder = Path(folder)
    writer = EpisodeWriter(folder, DatasetMeta.load(folder))
    numbers = sorted(writer.done())
    given = [count for count in (train, valid, test) if count is not None]
    counts = given or _usual_counts(len(numbers))
    if len(counts) != len(SPLITS) or min(counts) < 0 or sum(counts) != len(numbers):
        raise OptionError(
            f"{folder} has {len(numbers)} episodes; give train, valid and test, which must add up "
            f"to as many, got {dict(zip(SPLITS, (train, valid, test), strict=True))}."
        )
    return writer.write_index(
        {split: [numbers[i] for i in places] for split, places in deal(counts).items()}
    )


def _stored(folder: Path) -> DatasetMeta | None:
    """The properties that the episodes of a folder share; None where it holds none yet."""
    begun = (folder / META_NAME).exists() and any((folder / EPISODE_FOLDER).glob("*.hdf5"))
    return DatasetMeta.load(folder) if begun else None


def _require_same(folder: Path, stored: DatasetMeta, meta: DatasetMeta) -> None:
    for part, of in (
        ("views", lambda m: m.views),
        ("keypoints", lambda m: list(m.get_skeleton().keypoints)),
        ("size", lambda m: m.image_size),
        ("hz", lambda m: m.control_hz),
        ("phase_names", lambda m: m.phases),
    ):
        if of(stored) != of(meta):
            raise MismatchError(
                f"the episodes of {folder} have {part} {of(stored)}, this one {of(meta)}. Give the "
                "same, or write it to another folder."
            )


def _usual_counts(episodes: int) -> list[int]:
    train, valid = (round(share * episodes) for share in _USUAL_SHARES)
    if episodes >= len(SPLITS):
        valid = max(1, valid)
        train = min(train, episodes - valid - 1)
    else:
        train, valid = episodes, 0
    return [train, valid, episodes - train - valid]


def _require_frames(images: Mapping[str, np.ndarray]) -> None:
    if not images:
        raise OptionError("images names no view; give {view: frames}, such as {'front': frames}.")
    for view, frames in images.items():
        if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
            raise FormatError(
                f"images of {view} must be uint8 RGB of shape (time, height, width, 3), got "
                f"{frames.dtype} of shape {frames.shape}."
            )
    lengths = {view: len(frames) for view, frames in images.items()}
    if len(set(lengths.values())) > 1 or not all(lengths.values()):
        raise MismatchError(
            f"images have {lengths} frames; every view needs one frame for each time step."
        )


def _named(values: Mapping | None, part: str, images: Mapping[str, np.ndarray]) -> Mapping:
    values = values or {}
    if unknown := sorted(values.keys() - images.keys()):
        raise MismatchError(f"{part} names the views {unknown}, but images has {sorted(images)}.")
    if missing := sorted(images.keys() - values.keys()) if values else []:
        raise MismatchError(
            f"{part} lacks the views {missing}; give {part} of every view, or of none."
        )
    return values


def _floats(values: Mapping | None, part: str, images: Mapping) -> dict[str, np.ndarray]:
    found = {v: np.asarray(a, np.float32) for v, a in _named(values, part, images).items()}
    for view, points in found.items():
        wanted = (len(images[view]), points.shape[1] if points.ndim == 3 else "keypoints", 2)
        if points.shape != wanted:
            raise MismatchError(f"{part} of {view} must have shape {wanted}, got {points.shape}.")
    return found


def _seen(episode: Episode, visible: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    if visible and not episode.keypoints:
        raise MismatchError("visible was given without keypoints; give both.")
    seen = {}
    for view, points in episode.keypoints.items():
        height, width = episode.images[view].shape[1:3]
        inside = ((points >= 0) & (points < (width, height))).all(-1)  # NaN is outside
        given = np.asarray(visible.get(view, inside))
        if given.shape != inside.shape:
            raise MismatchError(
                f"visible of {view} must have shape {inside.shape}, got {given.shape}."
            )
        seen[view] = given.astype(bool) & inside
    return seen


def _parts(view: str, camera: AnyCamera) -> tuple[np.ndarray, np.ndarray, Lens]:
    if isinstance(camera, Camera):
        return camera.intrinsics, camera.world_to_camera, camera.lens
    matrices, lens = camera[:2], camera[2] if len(camera) == 3 else Lens()
    if len(camera) not in (2, 3) or not isinstance(lens, Lens):
        raise FormatError(
            f"cameras of {view} must be a Camera, or intrinsics and world_to_camera, which a "
            "datasets.lens.Lens may follow."
        )
    intrinsics, poses = (np.asarray(matrix, np.float64) for matrix in matrices)
    return intrinsics, poses, lens


def _phase_numbers(
    phases: Sequence[str] | None, names: Sequence[str], steps: int
) -> UInt8[np.ndarray, " time"]:
    if phases is None:
        return np.zeros(steps, np.uint8)
    for name in phases:
        require_known("phase", name, names)
    if len(phases) != steps:
        raise MismatchError(f"phases has {len(phases)} time steps, images {steps}.")
    return np.array([list(names).index(name) for name in phases], np.uint8)


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
    names = tuple(given) if given is not None else tuple(f"point_{i}" for i in range(count))
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
