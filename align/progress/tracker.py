"""Progress of a video that is still going on, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from align.embedder import FrameEmbedder
from align.models.encoder import FRAMES_ALONE, SideInputs
from align.progress.causality import require_causal
from align.progress.methods import Follow, reading
from align.progress.options import Method, ReadingConfig
from align.progress.references import References

Image = UInt8[np.ndarray, "height width 3"]
_FIRST = ReadingConfig()


class ProgressTracker:
    """Embeds each frame as it comes and reads the causal progress off references.

    Attributes:
        embedder: The run's encoder.
        references: The demonstrations.
    """

    def __init__(
        self,
        embedder: FrameEmbedder,
        references: References,
        method: Method = "nearest",
        how: ReadingConfig = _FIRST,
    ) -> None:
        """Prepares the references.

        Args:
            embedder: A run's encoder.
            references: Embedded by the same run.
            method: How progress is read off them.
            how: Options of the method.

        Raises:
            OptionError: When the encoder sees frames after a moment, or the whole video's motion.
        """
        require_causal(embedder.config.method, embedder)
        self.embedder, self.references = embedder, references
        self._reading = reading(method, references.causal, how)
        self.begin()

    def begin(self) -> None:
        """Begins a video."""
        self._seen: list[Image] = []
        self._first: Float[Tensor, " dim"] | None = None
        self._follow: Follow = self._reading.begin()

    def see(self, image: Image, side: SideInputs = FRAMES_ALONE) -> float:
        """Progress after the video's next frame, 0 to 1.

        Args:
            image: RGB, of any size.
            side: What a method with keypoints receives of the frame; see
                `FrameEmbedder.pose_inputs`.

        Raises:
            ValueError: When the method needs keypoints and there are none.
        """
        return see_together([self], [image], side)[0]

    def remember(self, image: Image) -> list[Image]:
        """The frames that the encoder needs of the video so far, with this one as the last.

        Before a video's start is its first frame, as in `TimeConfig.around`.
        """
        first = self._seen[0] if self._seen else image
        time = self.embedder.config.time
        kept = 1 + time.step * (time.frames - 1)
        self._seen = [*self._seen, image.copy()][-kept:]
        return [first] * (kept - len(self._seen)) + self._seen

    def judge(self, raw: Float[Tensor, "1 dim"]) -> float:
        """Progress at the embedding of the video's next frame, before `FrameEncoder.compare`."""
        if self._first is None:
            self._first = raw[0]
        return self._follow(self.references.place(raw, self._first))


def see_together(
    trackers: Sequence[ProgressTracker], images: Sequence[Image], side: SideInputs = FRAMES_ALONE
) -> list[float]:
    """Progress of several videos after the next frame of each, in one pass of their encoder.

    Eight frames of 112 pixels together take a third of the time of eight passes on one core.

    Args:
        trackers: One a video, all of one encoder.
        images: RGB, all of one size.
        side: What a method with keypoints receives of these frames.
    """
    pairs = zip(trackers, images, strict=True)
    blocks = [tracker.remember(image) for tracker, image in pairs]
    kept, frames = len(blocks[0]), np.stack([image for block in blocks for image in block])
    lasts = np.arange(kept - 1, len(frames), kept)
    raw = trackers[0].embedder.encode_at(frames.__getitem__, lasts, len(frames), side)
    return [tracker.judge(one[None]) for tracker, one in zip(trackers, raw, strict=True)]


def pose_of(
    embedder: FrameEmbedder,
    points: Float[np.ndarray, "keypoints 2"],
    visible: np.ndarray,
    size: int,
) -> SideInputs:
    """The keypoint inputs of a frame.

    Args:
        embedder: The run's encoder.
        points: Pixels of the frame, x right, y down.
        visible: Whether each is inside the image and not hidden.
        size: Height and width of the frame in pixels.
    """
    scaled = torch.from_numpy(points.astype(np.float32)) * (embedder.image_size / size)
    return embedder.pose_inputs(scaled[None], torch.from_numpy(visible)[None])
