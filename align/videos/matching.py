"""Videos as a trained run sees them, and the frames of one that match those of another."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from align.embedder import FrameEmbedder
from align.inputs.footage import network_frames, require_frames, warn_of_stillness
from align.labels import labels
from align.metrics.alignment import distances
from align.metrics.decoding import dtw_picks, with_motion
from align.stored.suitable import require_frames_alone
from align.videos.offset import Offset, estimate_offset, mutual_pairs
from datasets.video import video_times

log = logging.getLogger(__name__)

# On Lift, Can and Pick, 97 % of the pairs of views of a known scene are nearer, and 96 % of the
# pairs that show another world are further apart (docs/view.md).
_STRANGE = 1.6


@dataclass(frozen=True)
class EmbeddedVideo:
    """A video and its embeddings.

    Attributes:
        path: The file.
        times: Seconds of its frames from the first one.
        embeddings: Embeddings of its frames, as distances are measured between them.
        label: Its name beside other videos; by default the file's.
    """

    path: Path
    times: Float[np.ndarray, " time"]
    embeddings: Float[Tensor, "time dim"]
    label: str = ""

    @property
    def name(self) -> str:
        """The name of the video in messages, tables and pictures."""
        return self.label or self.path.name


@dataclass(frozen=True)
class VideoMatch:
    """The frames of another video that match those of the first.

    Attributes:
        other: The other video.
        nearest: For each frame of the first video, the nearest frame.
        motion: The frame that is nearest in motion, see `with_motion`.
        dtw: The frame that dynamic time warping pairs it with, which never goes back in time.
        offset: The constant offset between the clocks.
        distance: Mean distance from a frame of the first video to its nearest frame.
    """

    other: EmbeddedVideo
    nearest: Int64[np.ndarray, " time"]
    motion: Int64[np.ndarray, " time"]
    dtw: Int64[np.ndarray, " time"]
    offset: Offset
    distance: float

    @classmethod
    def between(cls, first: EmbeddedVideo, other: EmbeddedVideo) -> VideoMatch:
        """Matches every frame of the first video."""
        # One table is held at a time: that of two videos of ten minutes takes 1.3 GB.
        cost = distances(*(with_motion(video.embeddings) for video in (first, other))).numpy()
        offset = estimate_offset(first.times, other.times, mutual_pairs(cost))
        in_motion = cost.argmin(axis=1)
        del cost
        cost = distances(first.embeddings, other.embeddings).numpy()
        nearest = cost.argmin(axis=1)
        away = float(cost.min(axis=1).mean())
        return cls(other, nearest, in_motion, dtw_picks(cost[None])[0], offset, away)

    def by_offset(self, times: Float[np.ndarray, " time"]) -> Int64[np.ndarray, " time"]:
        """The frame nearest to each time of the first video's clock.

        Where the other video does not run, that is its first or its last frame.
        """
        wanted, own = times + self.offset.seconds, self.other.times
        return np.searchsorted((own[1:] + own[:-1]) / 2, wanted)


def warn_of_strangeness(
    run: Path, embedder: FrameEmbedder, first: EmbeddedVideo, matches: Sequence[VideoMatch]
) -> None:
    """Warns of videos whose frames find none that are as near as those of the run's own views.

    Args:
        run: The run, for the message.
        embedder: Its encoder.
        first: The video that the others follow.
        matches: The others.
    """
    usual = embedder.nearest_distance
    for match in matches:
        if usual is not None and match.distance > _STRANGE * usual:
            log.warning(
                "%s does not know what %s and %s show: their nearest frames are %.2f apart, those "
                "of its validation episodes %.2f. What is matched may be wrong; take a run that "
                "was trained on this scene.",
                run,
                first.name,
                match.other.name,
                match.distance,
                usual,
            )


def embed_videos(run: Path, embedder: FrameEmbedder, paths: Sequence[Path]) -> list[EmbeddedVideo]:
    """Embeds every frame of some videos.

    Args:
        run: The run, for messages.
        embedder: Its encoder.
        paths: The videos.

    Raises:
        DataError: When a video cannot be used, or the run needs keypoints.
    """
    require_frames_alone(run, embedder.config)
    for path in paths:
        require_frames(path)
    return [
        replace(embed_video(embedder, path), label=label)
        for path, label in zip(paths, labels(paths), strict=True)
    ]


def embed_video(embedder: FrameEmbedder, path: Path, every: int = 1) -> EmbeddedVideo:
    """Embeds a video, which is decoded once.

    Args:
        embedder: The embedder of a run that needs no keypoints.
        path: The video.
        every: Every how many frames one is read.

    Raises:
        DataError: When the video cannot be read, or has a single frame.
    """
    require_frames(path)
    frames = network_frames(path, embedder.image_size, every)
    warn_of_stillness(path, frames)
    return EmbeddedVideo(path, video_times(path)[::every], embedder.embed_frames(frames))
