"""Samples of clips for a model: selected frames, cropped to the person, with their keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image

from datasets.clips.base import ClipInfo, ShortVideos
from datasets.clips.sets import get_format, read_persons
from datasets.errors import require_known
from datasets.skeletons import mirror
from datasets.video import Window, read_frames, video_shape

# Room around the keypoints' box, as a share of its longer side: the body extends beyond its joints.
MARGIN = 0.25
# The smallest crop, as a share of the picture's shorter side: a person is larger than a few
# keypoints at one place suggest.
SMALLEST = 0.2
# Training resizes the shorter side to a random length between these multiples of the sample's size
# and then cuts the sample out; for 224 pixels, 256 to 320 (paper appendix B).
JITTER = (256 / 224, 320 / 224)
# What lies beyond a picture, by the names of numpy.pad: black, or the picture's outermost pixels.
Fill = Literal["constant", "edge"]


class Crop(NamedTuple):
    """A square of a picture, in its pixels: it spans [x, x + side) by [y, y + side).

    It may extend beyond the picture.
    """

    x: float
    y: float
    side: float


@dataclass(frozen=True)
class SampleConfig:
    """Options of the sampling of clips.

    Attributes:
        frames: Number of frames of a sample.
        stride: Step between them: 4 takes every 4th frame of the video.
        size: Height and width of a sample in pixels.
        jitter: Range of the shorter side before training cuts, as multiples of `size`.
        flip: Probability that training mirrors a sample.
        person: Whether to crop to the person; otherwise the crop is the middle of the picture.
        inside: Whether that crop stays inside the picture, see `person_crop`. Otherwise black fills
            what lies beyond.
        persons: Persons to crop to, and whose keypoints a sample has: 1, or 2 where two act.
        short: How videos shorter than a sample are sampled, see `sample_indices`.
        trust_pickles: Whether NTU's `.skeleton.npy` files may be loaded.
    """

    frames: int
    stride: int
    size: int = 224
    jitter: tuple[float, float] = JITTER
    flip: float = 0.5
    person: bool = True
    inside: bool = False
    persons: int = 1
    short: ShortVideos = "spread"
    trust_pickles: bool = False


@dataclass(frozen=True)
class ClipSample:
    """Frames of a clip as a model takes them.

    Attributes:
        frames: RGB.
        keypoints: Pixels of `frames`, x right and y down; NaN where missing. Samples of two persons
            have an axis for them.
        visible: Whether each keypoint exists and lies inside the frame.
        label: Label of the clip.
        indices: Numbers of the frames in the video.
        mirrored: Whether frames and keypoints are mirrored.
    """

    frames: UInt8[np.ndarray, "time size size 3"]
    keypoints: Float[np.ndarray, "time *persons keypoints 2"]
    visible: Bool[np.ndarray, "time *persons keypoints"]
    label: int
    indices: Int[np.ndarray, " time"]
    mirrored: bool


def sample_indices(
    num_frames: int,
    frames: int,
    stride: int,
    rng: np.random.Generator | None = None,
    clip: int = 0,
    num_clips: int = 1,
    short: ShortVideos = "spread",
) -> Int[np.ndarray, " frames"]:
    """Indices of every `stride`-th frame of a segment of the video.

    With `rng`, the segment begins at a random frame. Without it, `num_clips` segments are spread
    from the beginning of the video to its end and `clip` is the index of one of them; a single
    segment lies in the middle.

    Every segment of a video shorter than one is the same. With `spread`, it is sampled evenly from
    its first frame to its last. With `hold`, frames are taken as TimeSformer's published code does:
    evenly over the `frames * stride` frames from its first one on, with its last frame in place of
    those that it lacks.

    Raises:
        UnknownNameError: An unknown `short`.
        ValueError: When a count is below 1, or `clip` is not below `num_clips`.
    """
    require_known("short", short, get_args(ShortVideos))
    if min(num_frames, frames, stride) < 1:
        raise ValueError(f"need at least 1, got {num_frames} frames, {frames} every {stride}")
    if not 0 <= clip < num_clips:
        raise ValueError(f"clip {clip} is not among {num_clips}")
    room = num_frames - 1 - (frames - 1) * stride
    if room < 0 and short == "hold":
        spread = np.linspace(0, frames * stride - 1, frames).astype(np.int64)
        return np.minimum(spread, num_frames - 1)
    if room < 0:
        return np.linspace(0, num_frames - 1, frames).round().astype(np.int64)
    if rng is not None:
        start = int(rng.integers(0, room + 1))
    elif num_clips == 1:
        start = room // 2
    else:
        start = round(room * clip / (num_clips - 1))
    return start + stride * np.arange(frames)


def is_short(num_frames: int, frames: int, stride: int) -> bool:
    """Whether a video holds one segment at most, so that all its test clips are the same."""
    return num_frames <= (frames - 1) * stride + 1


def name_coinciding(clips: Sequence[ClipInfo], config: SampleConfig, num_clips: int) -> str:
    """Says how many clips are so short that all their samples are the same; empty for none.

    Raises:
        DataError: When a video cannot be read.
    """
    if num_clips == 1:
        return ""
    lengths = [video_shape(clip.video).frames for clip in clips]
    count = sum(is_short(length, config.frames, config.stride) for length in lengths)
    if not count:
        return ""
    return (
        f"{count} of {len(clips)} videos are not longer than one sample, {config.frames} frames "
        f"every {config.stride}: their {num_clips} samples are the same."
    )


def person_crop(
    keypoints: Float[np.ndarray, "time *persons keypoints 2"],
    height: int,
    width: int,
    margin: float = MARGIN,
    inside: bool = False,
) -> Crop:
    """The smallest square that contains the person, or both, in all frames, with a margin around.

    A square that fits is moved into the picture; one larger than the shorter side extends beyond
    it. Keypoints outside the picture are ignored; without any inside, the square is the middle of
    the picture.

    How far a square extends beyond the picture says how far the person moves, and with it a part of
    the class. With `inside`, a square that does not fit loses as much of its margin as it has to.
    Only a person who is wider than the picture is high, or the reverse, extends beyond it then.

    Args:
        keypoints: Pixels of the picture; NaN where missing.
        height: Height of the picture in pixels.
        width: Width of the picture in pixels.
        margin: Room on each side, as a share of the longer side of the keypoints' box.
        inside: Whether the square stays inside the picture where the person does.
    """
    points = np.asarray(keypoints, np.float64).reshape(-1, 2)
    with np.errstate(invalid="ignore"):
        seen = ((points >= 0) & (points < (width, height))).all(axis=1)
    shorter = float(min(height, width))
    if not seen.any():
        return Crop((width - shorter) / 2, (height - shorter) / 2, shorter)
    low, high = points[seen].min(axis=0), points[seen].max(axis=0)
    extent = float((high - low).max())
    side = max(extent * (1 + 2 * margin), SMALLEST * shorter)
    if inside:
        side = min(side, max(extent, shorter))
    corner = (low + high - side) / 2
    space = np.array([width, height]) - side
    # A smaller square lies within the picture; for a larger one, the picture lies within it.
    corner = np.clip(corner, np.minimum(space, 0), np.maximum(space, 0))
    return Crop(float(corner[0]), float(corner[1]), side)


def jitter_crop(crop: Crop, rng: np.random.Generator, jitter: tuple[float, float] = JITTER) -> Crop:
    """A random smaller square within a square.

    It equals enlarging the square to between `jitter[0]` and `jitter[1]` times the sample's size
    and cutting the sample out, without that second interpolation.
    """
    factor = rng.uniform(*jitter)
    side = crop.side / factor
    x, y = rng.uniform(0, crop.side - side, 2)
    return Crop(crop.x + x, crop.y + y, side)


def cut(
    frames: UInt8[np.ndarray, "time height width 3"],
    crop: Crop,
    size: int,
    fill: Fill = "constant",
) -> UInt8[np.ndarray, "time size size 3"]:
    """Crops every frame to a square and resizes it, antialiased.

    Args:
        frames: RGB.
        crop: The square.
        size: Height and width of the result in pixels.
        fill: What lies beyond the picture.
    """
    height, width = frames.shape[1:3]
    left, top, right, bottom = _around(crop)
    rows, columns = window_of(crop, height, width)
    beyond = (
        (rows.start - top, bottom - rows.stop),
        (columns.start - left, right - columns.stop),
        (0, 0),
    )
    box = (crop.x - left, crop.y - top, crop.x - left + crop.side, crop.y - top + crop.side)
    pictures = np.empty((len(frames), size, size, 3), np.uint8)
    for slot, frame in enumerate(frames):
        picture = Image.fromarray(np.pad(frame[rows, columns], beyond, fill))
        pictures[slot] = picture.resize((size, size), Image.Resampling.BILINEAR, box)
    return pictures


def window_of(crop: Crop, height: int, width: int) -> Window:
    """The rows and columns of a picture that a square covers."""
    left, top, right, bottom = _around(crop)
    return Window(
        slice(max(top, 0), max(min(bottom, height), 0)),
        slice(max(left, 0), max(min(right, width), 0)),
    )


def _around(crop: Crop) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the whole pixels that contain a square."""
    low, high = np.floor(crop[:2]), np.ceil(np.add(crop[:2], crop.side))
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def move_keypoints(
    keypoints: Float[np.ndarray, "*batch keypoints 2"], crop: Crop, size: int
) -> Float[np.ndarray, "*batch keypoints 2"]:
    """The keypoints in pixels of the frames that `cut` returns."""
    return ((keypoints - np.array([crop.x, crop.y])) * (size / crop.side)).astype(np.float32)


def load_sample(
    clip: ClipInfo,
    config: SampleConfig,
    rng: np.random.Generator | None = None,
    clip_index: int = 0,
    num_clips: int = 1,
) -> ClipSample:
    """Reads one sample of a clip: random with `rng`, for training; deterministic without it.

    Raises:
        DataError: When the video or the skeleton cannot be read.
    """
    shape = video_shape(clip.video)
    indices = sample_indices(
        shape.frames, config.frames, config.stride, rng, clip_index, num_clips, config.short
    )
    both = _persons_of(clip, config.trust_pickles)
    keypoints = both if config.persons > 1 else both[:, 0]
    nowhere = np.full((0, *keypoints.shape[1:]), np.nan, np.float32)
    crop = person_crop(
        keypoints if config.person else nowhere, shape.height, shape.width, inside=config.inside
    )
    if rng is not None:
        crop = jitter_crop(crop, rng, config.jitter)
    window = window_of(crop, shape.height, shape.width)
    within = Crop(crop.x - window.columns.start, crop.y - window.rows.start, crop.side)
    fill: Fill = "edge" if config.inside else "constant"
    frames = cut(read_frames(clip.video, indices, window), within, config.size, fill)
    points = move_keypoints(keypoints_at(keypoints, indices), crop, config.size)
    mirrored = rng is not None and rng.random() < config.flip
    if mirrored:
        frames, points = mirror(frames, points, get_format(clip.format).skeleton)
    with np.errstate(invalid="ignore"):
        visible = ((points >= 0) & (points < config.size)).all(axis=-1)
    return ClipSample(frames, points, visible, clip.label, indices, mirrored)


def _persons_of(clip: ClipInfo, trust_pickles: bool) -> Float[np.ndarray, "time 2 keypoints 2"]:
    """Both persons' keypoints, as `read_persons`, remembered until their file changes."""
    if clip.skeleton is None or not clip.skeleton.is_file():
        return read_persons(clip, trust_pickles)
    changed = tuple(path.stat().st_mtime_ns for path in (clip.skeleton, clip.video))
    return _remembered_persons(clip, trust_pickles, clip.skeleton.stat().st_size, changed)


# Reading the text of a skeleton takes longer than decoding a small video. Of NTU's longest clips,
# 1,024 take 120 MB in each process that reads; the clips of a small data set all stay.
@lru_cache(maxsize=1024)
def _remembered_persons(
    clip: ClipInfo, trust_pickles: bool, _size: int, _changed: tuple[int, ...]
) -> Float[np.ndarray, "time 2 keypoints 2"]:
    persons = read_persons(clip, trust_pickles)
    persons.setflags(write=False)
    return persons


def keypoints_at(
    keypoints: Float[np.ndarray, "time *persons keypoints 2"], indices: Sequence[int] | np.ndarray
) -> Float[np.ndarray, "frames *persons keypoints 2"]:
    """The keypoints at some frames; frames after the skeleton's end have none."""
    times = np.asarray(indices)
    picked = np.full((len(times), *keypoints.shape[1:]), np.nan, np.float32)
    known = times < len(keypoints)
    picked[known] = keypoints[times[known]]
    return picked
