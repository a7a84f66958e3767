"""Align two of your own videos with a trained run: which frames show the same moment.

    python examples/align_two_videos.py runs/lift_deit first.mp4 second.mp4 --out aligned.mp4

For each frame of the first video, three frames of the second are picked: the nearest one, the
nearest in motion (it also moves alike), and the one that dynamic time warping pairs it with, which
never goes back in time. The videos may differ in length, size and speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tyro
from PIL import Image, ImageDraw, ImageFont

from align.augment import frames_to_tensor, resize_frames
from align.embedder import FrameEmbedder
from align.engine.checkpoint import CheckpointError
from align.metrics.alignment import distances
from align.metrics.decoding import dtw_picks, with_motion
from datasets.command import user_errors
from datasets.errors import DataError
from datasets.video import iterate_frames, video_shape, write_video

LABELS = ("first video", "nearest frame", "nearest in motion", "time warping (DTW)")


def align(run: Path, first: Path, second: Path, out: Path, side: int = 224) -> np.ndarray:
    """Write the first video beside its picks; return those by frame, motion and DTW: (3, time)."""
    embedder = FrameEmbedder.load(run)
    if embedder.config.needs_keypoints:
        raise DataError(
            f"{run} ({embedder.config.method}) needs the keypoints of every frame, which videos "
            "do not hold: choose a run of deit, paat, paab-free or late-predicted."
        )
    frames = [read(video, {embedder.image_size, side}) for video in (first, second)]
    embeddings = [embedder.embed_frames(video[embedder.image_size]) for video in frames]
    cost = distances(*embeddings).numpy()
    in_motion = distances(*map(with_motion, embeddings)).numpy()
    picks = np.stack([cost.argmin(axis=1), in_motion.argmin(axis=1), dtw_picks(cost[None])[0]])
    write_video(out, side_by_side(frames[0][side], frames[1][side], picks), video_shape(first).fps)
    return picks


def read(video: Path, sizes: set[int]) -> dict[int, np.ndarray]:
    """All frames of a video at several sizes; the whole frames are held one at a time."""
    small: dict[int, list[np.ndarray]] = {size: [] for size in sizes}
    for frame in iterate_frames(video):
        whole = frames_to_tensor(frame[None])
        for size, frames in small.items():
            frames.append(resize_frames(whole, size).permute(0, 2, 3, 1).numpy()[0])
    return {size: np.stack(frames) for size, frames in small.items()}


def side_by_side(first: np.ndarray, second: np.ndarray, picks: np.ndarray) -> Iterator[np.ndarray]:
    """For each frame of the first video a picture: the frame, and beside it those of its picks."""
    strip = np.concatenate([label_strip(label, first.shape[2]) for label in LABELS], axis=1)
    for frame, chosen in zip(first, picks.T, strict=True):
        yield np.concatenate([strip, np.concatenate([frame, *second[chosen]], axis=1)])


def label_strip(label: str, width: int, height: int = 24) -> np.ndarray:
    """A strip with the name of a panel, to be shown above it."""
    strip = Image.new("RGB", (width, height), "black")
    ImageDraw.Draw(strip).text((6, height / 2), label, "white", ImageFont.load_default(14), "lm")
    return np.asarray(strip)


def main(run: Path, first: Path, second: Path, out: Path = Path("aligned.mp4")) -> None:
    """Align two videos.

    Args:
        run: A folder made by `python -m align.train`, of a method that needs no keypoints.
        first: Video whose frames are matched.
        second: Video that the matches come from.
        out: Output video: the first video, its nearest frames, those in motion and those by DTW.
    """
    with user_errors(DataError, CheckpointError):
        picks = align(run, first, second, out)
    print(
        f"{out}: {first.name}, its nearest frames of {second.name}, those in motion, those by DTW"
    )
    for time, (nearest, in_motion, monotone) in enumerate(picks.T):
        print(f"{time:>5}: {nearest:>5} {in_motion:>5} {monotone:>5}")


if __name__ == "__main__":
    tyro.cli(main, config=(tyro.conf.PositionalRequiredArgs,))
