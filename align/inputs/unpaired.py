"""Batches of unpaired videos of one task: each is an episode with one view."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils.data import default_collate

from align.inputs.data import EpisodeSamples
from datasets.errors import OptionError

# AE2 draws two videos for each comparison, of whatever viewpoints.
_VIDEOS = 2


class UnpairedSamples(EpisodeSamples):
    """Moments of several videos of one task, which stand for the views of an episode.

    Every pass takes each video once as the first one; the others are drawn from all the rest,
    whatever their viewpoint, as AE2 does.
    """

    def _videos_a_step(self) -> int:
        count = self.config.views or _VIDEOS
        if not _VIDEOS <= count <= len(self.data):
            raise OptionError(
                f"--batch.views is {count}, but {self.data.root} has {len(self.data)} videos to "
                "train on, and a comparison needs at least 2 of them."
            )
        return count

    def episodes_of(self, item: int) -> list[int]:
        """Positions of the videos of an item."""
        return self._videos(item, np.random.default_rng([1, self.seed, item]))

    def _videos(self, item: int, rng: np.random.Generator) -> list[int]:
        first = self.episode_of(item)
        others = rng.choice(len(self.data) - 1, self.num_views - 1, replace=False)
        return [first, *(int(other + (other >= first)) for other in others)]

    def __getitem__(self, item: int) -> dict[str, Any]:
        """Draws moments of several videos, each at times of its own.

        Returns:
            As `EpisodeSamples`, with videos in place of views; `times` is (videos, times) int64.
        """
        rng = np.random.default_rng([1, self.seed, item])
        videos = self._videos(item, rng)
        times = [self._times(i, rng) for i in videos]
        (view,) = self.data.views
        shown = [self._view(i, view, t, rng) for i, t in zip(videos, times, strict=True)]
        return {
            **default_collate(shown),
            "times": torch.from_numpy(np.stack(times)),
            "episode": videos[0],
        }
