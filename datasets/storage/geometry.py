"""Checks that the keypoints, cameras and pictures of an episode agree."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from datasets.cameras import Camera
from datasets.storage.episode_file import Episode
from datasets.storage.meta import DatasetMeta

# Pixels by which a visible keypoint may lie beside its picture: rounding puts some on the edge.
_BESIDE = 1.0
# The share of a picture's longer side by which keypoints may lie, at the median, from where their
# camera shows them. Keypoints that were detected, and cameras that were measured, are a few
# hundredths apart; in the tests, cameras of another convention or in millimetres are 0.4 and more.
_APART = 0.1
# Time steps at which cameras are compared with keypoints.
_LOOKS = 20


def geometry_faults(episode: Episode, meta: DatasetMeta) -> Iterator[str]:
    """Clauses on what cannot be, where the types and shapes of all arrays are right."""
    for view, points in episode.keypoints.items():
        seen, size = points[episode.visible[view]], _size(episode, meta, view)
        yield from _points_outside(seen, size, view)
        # A robot that is hardly seen may be in the corner.
        if len(seen) >= len(episode) and seen.max() <= 1 < min(size):
            yield f"keypoints of {view} are from 0 to 1; they must be pixels, not shares of a side"
    for view, matrix in episode.intrinsics.items():
        yield from _middle_outside(matrix[:2, 2], _size(episode, meta, view), view)
    world = episode.keypoints_world
    if world is None or not episode.keypoints:
        return
    if world.ndim != 3 or world.shape[1:] != (len(meta.get_skeleton()), 3):
        yield f"keypoints_world must have shape (time, {len(meta.get_skeleton())}, 3)"
    for view in episode.keypoints.keys() & episode.intrinsics.keys():
        yield from _points_elsewhere(episode, view, _size(episode, meta, view))


def _size(episode: Episode, meta: DatasetMeta, view: str) -> tuple[int, int]:
    """Width and height of a view's pictures, which are square where they were not read."""
    if view not in episode.images:
        return meta.image_size, meta.image_size
    height, width = episode.images[view].shape[1:3]
    return width, height


def _points_outside(
    points: Float[np.ndarray, "points 2"], size: tuple[int, int], view: str
) -> Iterator[str]:
    inside = ((points > -_BESIDE) & (points < np.add(size, _BESIDE))).all(axis=1)
    if not inside.all():
        x, y = points[~inside][0]
        yield (
            f"visible keypoints of {view} are outside its pictures of {size[0]} x {size[1]} "
            f"pixels, such as ({x:.0f}, {y:.0f}); they must be pixels of these pictures, x first"
        )


def _middle_outside(
    middle: Float[np.ndarray, 2], size: tuple[int, int], view: str
) -> Iterator[str]:
    if not ((middle >= 0) & (middle < size)).all():
        yield (
            f"intrinsics of {view} have their principal point at ({middle[0]:.0f}, "
            f"{middle[1]:.0f}), outside its pictures of {size[0]} x {size[1]} pixels; they must be "
            "those of pictures of this size"
        )


def _points_elsewhere(episode: Episode, view: str, size: tuple[int, int]) -> Iterator[str]:
    poses, found = episode.world_to_camera[view], []
    for time in np.unique(np.linspace(0, len(episode) - 1, _LOOKS).round().astype(int)):
        pose = poses[time] if poses.ndim == 3 else poses
        camera = Camera(episode.intrinsics[view], pose, *size, episode.lens(view))
        world = episode.keypoints_world[time]  # type: ignore[index]  # its caller checks it
        seen = episode.visible[view][time] & np.isfinite(world).all(axis=1)
        shown, _ = camera.project(world[seen])
        away = np.linalg.norm(shown - episode.keypoints[view][time][seen], axis=1)
        found.append(np.where(np.isnan(away), np.inf, away))  # NaN is behind the camera
    away = np.concatenate(found)
    if len(away) and (middle := float(np.median(away))) > _APART * max(size):
        place = f"{middle:.0f} pixels from" if np.isfinite(middle) else "not"
        yield (
            f"visible keypoints of {view} are {place} where its camera shows keypoints_world; both "
            "must be in metres, and world_to_camera must be OpenCV's (x right, y down, z forward)"
        )
