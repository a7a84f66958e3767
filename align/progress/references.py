"""Reference demonstrations: embeddings of videos in which the task is done."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from align.models.encoder import FrameEncoder
from align.progress.options import Centre
from datasets.errors import OptionError

Video = Float[Tensor, "time dim"]


class References:
    """Demonstrations as any camera saw them, and the place of other videos among them.

    Offline, each video is centred over itself, as evaluation does. The causal form takes its
    centre from the references, since the end of a video that is still going on is not known.

    Attributes:
        videos: Embeddings of each reference before `FrameEncoder.compare`.
        offline: The references, centred over themselves.
        causal: The references, centred as the causal form centres other videos.
    """

    def __init__(
        self, model: FrameEncoder, videos: Sequence[Video], centre: Centre = "references"
    ) -> None:
        """Centres the references.

        Args:
            model: The encoder that embedded them.
            videos: Embeddings before `FrameEncoder.compare`; at least two frames each.
            centre: See `ReadingConfig`.

        Raises:
            OptionError: When there is no reference, or one has a single frame.
        """
        if not videos or min(map(len, videos)) < 2:
            raise OptionError("progress needs a --reference, of at least two frames each.")
        self._model, self.videos, self._centre = model, list(videos), centre
        means = torch.stack([video.mean(dim=0) for video in videos])
        starts = torch.stack([video[0] for video in videos])
        self._mean, self._from_start = means.mean(dim=0), (means - starts).mean(dim=0)
        self.offline = [model.compare(video) for video in videos]
        self.causal = [self.place(video, video[0]) for video in videos]

    def place(self, frames: Video, first: Float[Tensor, " dim"]) -> Video:
        """Frames of a video as the causal form compares them: a frame depends on nothing after it.

        Args:
            frames: Some frames of the video, before `FrameEncoder.compare`.
            first: Its first frame.
        """
        centre = self._mean if self._centre == "references" else first + self._from_start
        return self._model.compare(frames, centre)

    def place_offline(self, frames: Video) -> Video:
        """All frames of a video, centred over it."""
        return self._model.compare(frames)

    def shuffled(self, generator: torch.Generator) -> References:
        """The same frames at random times: a control that knows the frames but not their order."""
        mixed = [video[torch.randperm(len(video), generator=generator)] for video in self.videos]
        return References(self._model, mixed, self._centre)
