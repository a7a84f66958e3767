"""Checks of an episode's values: types, ranges and lengths, not only shapes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from datasets.errors import FormatError
from datasets.storage.episode_file import OVER_TIME, STREAMS, VIEW_PARTS, Episode
from datasets.storage.geometry import geometry_faults
from datasets.storage.meta import DatasetMeta

# Single precision keeps rotations orthonormal to about 1e-6; cameras estimated from photographs
# are often written with four digits.
ORTHONORMAL_WITHIN = 1e-3


def require_sound(episode: Episode, meta: DatasetMeta, name: str, remedy: str) -> None:
    """Checks that all values of an episode can be what their names say.

    Args:
        episode: The episode; one that was read without frames has no `images`.
        meta: Facts that the episodes of the data set have in common.
        name: Name of the episode, with which the message begins.
        remedy: Advice with which the message ends.

    Raises:
        FormatError: At the first fault; names the array.
    """
    for fault in _faults(episode, meta):
        raise FormatError(f"{name}: {fault}. {remedy}")


def _faults(episode: Episode, meta: DatasetMeta) -> Iterator[str]:
    # The lengths come last but one, since `len(episode)` is that of the phases.
    yield from _phase_faults(episode, meta)
    for view, frames in episode.images.items():
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
            yield (
                f"frames of {view} must be uint8 of shape (time, height, width, 3), got "
                f"{frames.dtype} of {frames.shape}"
            )
    taken = {f"{view}_{part}" for view in meta.views for part in VIEW_PARTS}
    for name in sorted(taken & episode.observations.keys()):
        yield f"the observation {name} has the name of a part of a view; rename it"
    yield from _stream_faults(episode, meta)
    yield from _length_faults(episode)
    yield from _keypoint_faults(episode, len(meta.get_skeleton()))
    for view in episode.intrinsics.keys() ^ episode.world_to_camera.keys():
        yield f"the camera of {view} needs both intrinsics and world_to_camera"
    for view in episode.lenses.keys() - episode.intrinsics.keys():
        yield f"the lens of {view} needs its camera"
    for view, matrix in episode.intrinsics.items():
        yield from _intrinsics_faults(matrix, view)
    for view, poses in episode.world_to_camera.items():
        yield from _pose_faults(poses, view)
    yield from geometry_faults(episode, meta)
    yield from _number_faults(episode)
    if meta.viewpoints and episode.viewpoint not in meta.viewpoints:
        yield f"it has the viewpoint {episode.viewpoint!r}; viewpoints are {meta.viewpoints}"


def _phase_faults(episode: Episode, meta: DatasetMeta) -> Iterator[str]:
    phases = episode.phases
    if phases.dtype != np.uint8 or phases.ndim != 1:
        yield f"phases must be uint8 of shape (time,), got {phases.dtype} of {phases.shape}"
    elif not len(phases):
        yield "it has no time steps"
    elif int(phases.max()) >= len(meta.phases):
        yield f"it has phase {phases.max()}; phases are {meta.phases}"


def _stream_faults(episode: Episode, meta: DatasetMeta) -> Iterator[str]:
    for part, (_, dtype) in STREAMS.items():
        for view, values in getattr(episode, part).items():
            if values.dtype != dtype or values.ndim != 3:
                yield (
                    f"{part} of {view} must be {dtype} of shape (time, height, width), got "
                    f"{values.dtype} of {values.shape}"
                )
    for view, values in episode.masks.items():
        if values.size and int(values.max()) >= len(meta.masks):
            yield f"masks of {view} have instance {values.max()}; instances are {meta.masks}"


def _length_faults(episode: Episode) -> Iterator[str]:
    over_time = {name: getattr(episode, name) for name in OVER_TIME} | episode.observations
    for part in ("images", "keypoints", "visible", *STREAMS):
        over_time |= {f"{part} of {view}": v for view, v in getattr(episode, part).items()}
    moving = {view: poses for view, poses in episode.world_to_camera.items() if poses.ndim == 3}
    over_time |= {f"world_to_camera of {view}": poses for view, poses in moving.items()}
    for name, values in over_time.items():
        if values is None:
            continue
        length = len(values) if np.ndim(values) else 0
        if length != len(episode):
            yield f"{name} has {length} time steps, the episode {len(episode)}"


def _keypoint_faults(episode: Episode, count: int) -> Iterator[str]:
    for view in episode.keypoints.keys() ^ episode.visible.keys():
        yield f"{view} needs both keypoints and visible"
    for view, points in episode.keypoints.items():
        visible = episode.visible[view]
        if points.dtype.kind != "f" or points.shape[1:] != (count, 2):
            yield f"keypoints of {view} must be floats of shape (time, {count}, 2)"
        elif visible.dtype != bool or visible.shape[1:] != (count,):
            yield f"visible of {view} must be boolean of shape (time, {count})"
        elif not np.isfinite(points[visible]).all():
            yield f"keypoints of {view} are not finite where they are visible"


def _intrinsics_faults(matrix: np.ndarray, view: str) -> Iterator[str]:
    if matrix.shape != (3, 3) or matrix.dtype.kind not in "fiu" or not np.isfinite(matrix).all():
        yield f"intrinsics of {view} must be finite numbers of shape (3, 3)"
    elif min(matrix[0, 0], matrix[1, 1]) <= 0 or not np.allclose(matrix[2], [0, 0, 1]):
        yield f"intrinsics of {view} need positive focal lengths and the last row 0, 0, 1"


def _pose_faults(poses: np.ndarray, view: str) -> Iterator[str]:
    if (
        poses.shape[-2:] != (4, 4)
        or poses.ndim not in (2, 3)
        or poses.dtype.kind not in "fiu"
        or not np.isfinite(poses).all()
    ):
        yield f"world_to_camera of {view} must be finite numbers of shape (4, 4) or (time, 4, 4)"
        return
    rotations = poses[..., :3, :3].astype(np.float64)
    off = np.abs(rotations @ np.swapaxes(rotations, -1, -2) - np.eye(3)).max(initial=0)
    if (
        off > ORTHONORMAL_WITHIN
        or (np.linalg.det(rotations) < 0).any()
        or not np.allclose(poses[..., 3, :], [0, 0, 0, 1])
    ):
        yield f"world_to_camera of {view} is no rotation and translation"


def _number_faults(episode: Episode) -> Iterator[str]:
    arrays = {name: getattr(episode, name) for name in ("actions", "states", "rewards", "dones")}
    # Observations of more axes are pictures and depth.
    arrays |= {name: v for name, v in episode.observations.items() if v.ndim <= 2}
    for name, values in arrays.items():
        if values is None:
            continue
        if values.dtype.kind not in "fiub":
            yield f"{name} must be numbers, got {values.dtype}"
        elif not np.isfinite(values).all():
            yield f"{name} are not all finite numbers"
