"""MMNet's picture of a clip: crops around head, hands and feet at five moments, side by side.

Yu et al., "MMNet: A Model-Based Multimodal Network for Human Action Recognition in RGB-D Videos",
T-PAMI 2022.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image

MOMENTS = 5
# OpenPose's nose, right and left wrist, right and left ankle: the rows of the picture.
_PARTS = (0, 4, 7, 10, 13)
# The rows of a mirror image: right and left change their names.
_MIRRORED = (0, 2, 1, 4, 3)
# Side of the picture as the network takes it: 45 rows a part.
PICTURE_SIDE = 225
# ImageNet's statistics: the network was trained on it before.
_MEAN, _STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def moments(frames: int, rng: np.random.Generator | None = None) -> Int[np.ndarray, " 5"]:
    """The frames of a picture: spread over the clip, or with a random step from a random start.

    Args:
        frames: Frames of the clip.
        rng: Randomness of training; None spreads them evenly.
    """
    longest = frames // (MOMENTS + 1)
    steps = np.arange(1, MOMENTS + 1)
    if rng is None or longest == 0:
        return longest * steps
    step = int(rng.integers(1, longest + 1))
    return int(rng.integers(frames - MOMENTS * step)) + step * steps


def with_people(
    frames: Int[np.ndarray, " 5"], seen: Bool[np.ndarray, " time"]
) -> Int[np.ndarray, " 5"]:
    """For each frame, the first from it on in which somebody is seen; itself where none is."""
    people = np.flatnonzero(seen)
    following = np.searchsorted(people, frames)
    found = following < len(people)
    return np.where(found, np.append(people, 0)[np.where(found, following, -1)], frames)


def roi_picture(
    frames: UInt8[np.ndarray, "5 height width 3"],
    keypoints: Float[np.ndarray, "persons 5 18 2"],
    side: int = 96,
    below: float = 0.0,
    mirror: bool = False,
    published: bool = False,
) -> UInt8[np.ndarray, "five_sides five_sides 3"]:
    """Crops of five parts (rows) at five moments (columns); black lies outside the frames.

    Args:
        frames: RGB.
        keypoints: OpenPose's, in pixels. One person, or two, who share each crop's width.
        side: Side of a crop: 96 for NTU, 48 for N-UCLA.
        below: Pixels by which hands and feet are moved down: 0 for NTU, 15 for N-UCLA.
        mirror: Mirror each column; the rows of right and left parts are then exchanged.
        published: Do as the code does: move the picture right by a column, and leave the rows of a
            mirrored single person where they are.
    """
    width = side // len(keypoints)
    columns = [
        np.concatenate(
            [
                _column(frame, person[moment], width, side, below)
                for person in keypoints[:, :, _PARTS, :2]
            ],
            axis=2,
        )
        for moment, frame in enumerate(frames)
    ]
    if mirror:
        rows = list(range(len(_PARTS))) if published and len(keypoints) == 1 else list(_MIRRORED)
        columns = [column[rows, :, ::-1] for column in columns]
    picture = np.concatenate([np.concatenate(list(column)) for column in columns], axis=1)
    if published:
        picture = np.roll(picture, 1, axis=1)
        picture[:, 0] = 0
    return picture


def _column(
    frame: UInt8[np.ndarray, "height width 3"],
    points: Float[np.ndarray, "5 2"],
    width: int,
    height: int,
    below: float,
) -> UInt8[np.ndarray, "5 crop_height crop_width 3"]:
    moved = points + np.array([[0, 0]] + [[0, below]] * (len(points) - 1))
    return np.stack([_crop(frame, x, y, width, height) for x, y in moved])


def _crop(
    frame: UInt8[np.ndarray, "height width 3"], x: float, y: float, width: int, height: int
) -> UInt8[np.ndarray, "crop_height crop_width 3"]:
    # `round` takes halves to the even number, as published.
    rows = round(float(y) - height / 2) + np.arange(height)
    cols = round(float(x) - width / 2) + np.arange(width)
    inside = np.outer((rows >= 0) & (rows < frame.shape[0]), (cols >= 0) & (cols < frame.shape[1]))
    crop = frame[rows.clip(0, frame.shape[0] - 1)][:, cols.clip(0, frame.shape[1] - 1)]
    return np.where(inside[..., None], crop, 0).astype(np.uint8)


def resized(
    picture: UInt8[np.ndarray, "side side 3"], published: bool = False
) -> UInt8[np.ndarray, "225 225 3"]:
    """A picture at the network's size, bilinear with antialiasing.

    Args:
        picture: See `roi_picture`.
        published: Show the network a negative, as the code does by an overflow of bytes.
    """
    shown = (256 - picture.astype(np.int16)) % 256 if published else picture
    image = Image.fromarray(shown.astype(np.uint8))
    return np.asarray(image.resize((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.BILINEAR))


def normalised(picture: UInt8[np.ndarray, "225 225 3"]) -> Float[np.ndarray, "3 225 225"]:
    """Pixels as the network takes them."""
    return (((picture / 255) - _MEAN) / _STD).transpose(2, 0, 1).astype(np.float32)
