"""The choice of the acting persons among several persons of a clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

# Persons of a clip that are followed at most where the one who moves most is chosen.
MOST_PERSONS = 4
# A person must be seen in at least this share of the frames of the person seen most.
SEEN_SHARE = 0.5
# A person who moves by the diagonal of its box from one frame to the next loses this score; a
# person as large as the frame's largest gains 1.
JUMP_COST = 2.0
# Published clean-ups of NTU's skeletons leave out those who are wider by their height.
WIDEST = 0.8
# The smallest diagonal by the number of axes: a pixel in pictures, a centimetre in space.
_PIXELS = 2
_SMALLEST = {_PIXELS: 1.0, 3: 0.01}


def choose_person(
    frames: Sequence[Float[np.ndarray, "persons keypoints 2"]],
    keypoints: int,
    most_motion: bool = False,
) -> Float[np.ndarray, "time keypoints 2"]:
    """Follows one person through the frames: the one who is largest and jumps least.

    The result is the sequence of persons, one in every frame that has any, with the largest sum
    of sizes minus `JUMP_COST` times the sum of jumps. A size is the diagonal of the keypoints'
    box, relative to the frame's largest. A jump is the distance between the centres of two boxes,
    in diagonals. So neither a passer-by who comes close for a moment nor a changed order of
    detections replaces the acting person.

    Args:
        frames: Persons of each frame, in pixels. A keypoint is missing where it is not finite or
            exactly at the origin, as pose files mark it.
        keypoints: Number of keypoints, K.
        most_motion: Follow several persons in this way and choose the one who moves most, by the
            variance of its keypoints. The Kinect takes furniture for persons, which this leaves
            out, as the authors of NTU RGB+D advise.

    Returns:
        (T, K, 2) float32; NaN where a keypoint is missing or a frame has no person.
    """
    return choose_persons(frames, keypoints, 1, most_motion)[:, 0]


def choose_persons(
    frames: Sequence[Float[np.ndarray, "persons keypoints axes"]],
    keypoints: int,
    count: int,
    most_motion: bool = False,
    axes: int = 2,
) -> Float[np.ndarray, "time count keypoints axes"]:
    """Follows several persons through the frames, as `choose_person` follows one.

    Args:
        frames: Persons of each frame, in pixels, or in space, where only NaN means missing.
        keypoints: Number of keypoints, K.
        count: Persons of the result.
        most_motion: Order persons by how much they move; else in the order in which they are
            followed, the largest first.
        axes: Coordinates of a keypoint.

    Returns:
        float32; NaN where a keypoint or a person is missing.
    """
    cleaned = [_without_missing(np.asarray(persons)) for persons in frames]
    chosen = np.full((len(frames), count, keypoints, axes), np.nan, np.float32)
    tracks: list[Float[np.ndarray, "time keypoints axes"]] = []
    while len(tracks) < (MOST_PERSONS if most_motion else count):
        track, cleaned = _follow(cleaned, chosen[:, 0])
        if tracks and np.isnan(track).all():
            break
        tracks.append(track)
    if most_motion and len(tracks) > 1:
        tracks = sorted(tracks, key=_motion(tracks), reverse=True)
    for place, track in enumerate(tracks[:count]):
        chosen[:, place] = track
    return chosen


def without_bystanders(
    persons: Float[np.ndarray, "time persons keypoints 2"], furniture: bool = False
) -> Float[np.ndarray, "time persons keypoints 2"]:
    """The persons in pixels; NaN for those after the first who do not act with them.

    They act where they are seen in at least half as many frames as the first person. What is nearly
    as wide as high is no person where the Kinect takes `furniture` for persons.
    """
    kept = np.array(persons)
    for place in range(1, kept.shape[1]):
        other = kept[:, place]
        rare = _frames_seen(other) < max(1, SEEN_SHARE * _frames_seen(kept[:, 0]))
        if rare or (furniture and _width_by_height(other) > WIDEST):
            kept[:, place] = np.nan
    return kept


def _width_by_height(track: Float[np.ndarray, "time keypoints 2"]) -> float:
    """The median over the frames with a person."""
    seen = track[np.isfinite(track).any(axis=(1, 2))].astype(np.float64)
    width, height = (np.nanmax(seen, axis=1) - np.nanmin(seen, axis=1)).T
    return float(np.median(width / np.maximum(height, _SMALLEST[_PIXELS])))


def _follow(
    frames: list[np.ndarray], like: Float[np.ndarray, "time keypoints axes"]
) -> tuple[Float[np.ndarray, "time keypoints axes"], list[np.ndarray]]:
    """The keypoints of one person, and the other persons of each frame."""
    chosen = np.full_like(like, np.nan)
    others = list(frames)
    seen = [t for t, persons in enumerate(frames) if len(persons)]
    if not seen:
        return chosen, others
    if all(len(frames[t]) == 1 for t in seen):
        path = [0] * len(seen)
    else:
        path = _best_path([_boxes(frames[t]) for t in seen])
    for t, person in zip(seen, path, strict=True):
        chosen[t] = frames[t][person]
        others[t] = np.delete(frames[t], person, axis=0)
    return chosen, others


def _motion(
    tracks: Sequence[Float[np.ndarray, "time keypoints axes"]],
) -> Callable[[Float[np.ndarray, "time keypoints axes"]], float]:
    """The mean variance over time of a person's coordinates; -1 for one who is seen too rarely."""
    most = max(_frames_seen(track) for track in tracks)

    def motion(track: Float[np.ndarray, "time keypoints axes"]) -> float:
        if _frames_seen(track) < SEEN_SHARE * most:
            return -1.0
        points = track[:, np.isfinite(track).any(axis=(0, 2))]
        return float(np.nanvar(points.astype(np.float64), axis=0).mean())

    return motion


def _frames_seen(track: Float[np.ndarray, "time keypoints axes"]) -> int:
    return int(np.isfinite(track).any(axis=(1, 2)).sum())


def _without_missing(persons: Float[np.ndarray, "persons keypoints axes"]) -> np.ndarray:
    """Sets missing keypoints to NaN and drops persons without any keypoint."""
    # Values that overflow the result's float32 become infinite, and so count as missing.
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        persons = persons.astype(np.float32)
    missing = ~np.isfinite(persons).all(axis=-1)
    if persons.shape[-1] == _PIXELS:
        missing |= (persons == 0).all(axis=-1)
    persons = np.where(missing[..., None], np.nan, persons)
    return persons[~missing.all(axis=-1)]


def _boxes(persons: Float[np.ndarray, "persons keypoints axes"]) -> np.ndarray:
    """Centre and, at the end, diagonal of each person's keypoints: (persons, axes + 1)."""
    low, high = np.nanmin(persons, axis=1), np.nanmax(persons, axis=1)
    # Not zero, which a person with a single keypoint would cause a division by.
    diagonal = np.maximum(np.hypot.reduce(high - low, axis=1), _SMALLEST[persons.shape[-1]])
    return np.column_stack([(low + high) / 2, diagonal])


def _best_path(boxes: list[np.ndarray]) -> list[int]:
    """The index of the best person in each frame, by dynamic programming over the frames."""
    score = boxes[0][:, -1] / boxes[0][:, -1].max()
    came_from: list[np.ndarray] = []
    for before, now in zip(boxes[:-1], boxes[1:], strict=True):
        way = np.hypot.reduce(now[:, None, :-1] - before[None, :, :-1], axis=-1)
        jumps = way / np.maximum(now[:, None, -1], before[None, :, -1])
        total = score[None] - JUMP_COST * jumps
        came_from.append(total.argmax(axis=1))
        score = total.max(axis=1) + now[:, -1] / now[:, -1].max()
    path = [int(score.argmax())]
    for step in reversed(came_from):
        path.append(int(step[path[-1]]))
    return path[::-1]
