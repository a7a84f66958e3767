"""Which of several persons a clip is about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

# What moving by its own size from one frame to the next costs a person, where being as large as
# the largest gains 1.
JUMP_COST = 2.0


def choose_person(
    frames: Sequence[Float[np.ndarray, "persons keypoints 2"]], keypoints: int
) -> Float[np.ndarray, "time keypoints 2"]:
    """Follows one person through the frames: the one who is largest and jumps least.

    Of all ways to name one person in every frame that has any, the best has the largest sum of
    sizes (the diagonal of the keypoints' box, as a share of the frame's largest) less
    `JUMP_COST` times the jumps (the way of the box's centre, in diagonals). So a passer-by who
    comes close for a moment does not take over, nor does an order of detections that changes.

    Args:
        frames: Persons of each frame, pixels; a keypoint is missing where it is not finite or
            exactly at the origin, which is how files say so.
        keypoints: K.

    Returns:
        (T, K, 2) float32, NaN where missing and where a frame has nobody.
    """
    chosen = np.full((len(frames), keypoints, 2), np.nan, np.float32)
    cleaned = [_without_missing(np.asarray(persons)) for persons in frames]
    seen = [t for t, persons in enumerate(cleaned) if len(persons)]
    if not seen:
        return chosen
    if all(len(cleaned[t]) == 1 for t in seen):
        path = [0] * len(seen)
    else:
        path = _best_path([_boxes(cleaned[t]) for t in seen])
    for t, person in zip(seen, path, strict=True):
        chosen[t] = cleaned[t][person]
    return chosen


def _without_missing(persons: Float[np.ndarray, "persons keypoints 2"]) -> np.ndarray:
    """NaN for keypoints that are missing; persons without any keypoint are dropped."""
    # In the precision of the result: what it cannot hold lies nowhere near a picture.
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        persons = persons.astype(np.float32)
    missing = ~np.isfinite(persons).all(axis=-1) | (persons == 0).all(axis=-1)
    persons = np.where(missing[..., None], np.nan, persons)
    return persons[~missing.all(axis=-1)]


def _boxes(persons: Float[np.ndarray, "persons keypoints 2"]) -> np.ndarray:
    """Centre x and y, and diagonal, of each person's keypoints: (persons, 3), in pixels."""
    low, high = np.nanmin(persons, axis=1), np.nanmax(persons, axis=1)
    diagonal = np.maximum(np.hypot(*(high - low).T), 1.0)
    return np.column_stack([(low + high) / 2, diagonal])


def _best_path(boxes: list[np.ndarray]) -> list[int]:
    """One person a frame, by dynamic programming over the frames."""
    score = boxes[0][:, 2] / boxes[0][:, 2].max()
    came_from: list[np.ndarray] = []
    for before, now in zip(boxes[:-1], boxes[1:], strict=True):
        way = np.hypot(*(now[:, None, :2] - before[None, :, :2]).transpose(2, 0, 1))
        jumps = way / np.maximum(now[:, None, 2], before[None, :, 2])
        total = score[None] - JUMP_COST * jumps
        came_from.append(total.argmax(axis=1))
        score = total.max(axis=1) + now[:, 2] / now[:, 2].max()
    path = [int(score.argmax())]
    for step in reversed(came_from):
        path.append(int(step[path[-1]]))
    return path[::-1]
