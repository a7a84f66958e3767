"""Demonstrations of a run: episodes of its training data, of another data set, or video files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from align.config import TrainConfig
from align.embedder import FrameEmbedder
from align.inputs.footage import EpisodeView, Footage, open_episodes, video_files
from align.inputs.protocols import training_views
from align.progress.options import REFERENCE_EPISODES, Centre
from align.progress.references import References
from align.stored.data import find_own_data
from datasets.errors import OptionError, require_known
from datasets.progress import ProgressBar

# Seed of the times of `shuffled` references.
_SHUFFLE_SEED = 0


@dataclass(frozen=True)
class Demonstrations:
    """Which videos the references are.

    Attributes:
        named: Episodes of the data set by name, and paths of videos; the first training episodes
            where there are none.
        data: The data set of the episodes; the run's own training data by default.
        views: Views of the episodes; those that the run was trained on by default.
        shuffled: Whether the references' frames are at random times, as a control.
    """

    named: Sequence[str] = ()
    data: Path | None = None
    views: Sequence[str] = ()
    shuffled: bool = False

    def embed(
        self,
        run: Path | str,
        embedder: FrameEmbedder,
        centre: Centre = "references",
        progress: bool = True,
    ) -> References:
        """Embeds the references.

        Args:
            run: The run's folder.
            embedder: Its encoder.
            centre: See `ReadingConfig`.
            progress: Whether to show a progress bar.

        Raises:
            DataError: When a reference cannot be read, or does not fit the run.
            UnknownNameError: When the data set has no such episode or view.
            OptionError: When there is no reference that can be used.
        """
        footage = self._footage(Path(run), embedder)
        bar = ProgressBar(footage, desc="references", unit="video", disable=not progress)
        encoded = [video.encode(embedder) for video in bar]
        references = References(embedder.model, encoded, centre)
        generator = torch.Generator().manual_seed(_SHUFFLE_SEED)
        return references.shuffled(generator) if self.shuffled else references

    def require_usable(self, run: Path, embedder: FrameEmbedder) -> None:
        """Checks that the references exist and fit the run; errors as of `embed`."""
        self._footage(run, embedder)

    def _footage(self, run: Path, embedder: FrameEmbedder) -> list[Footage]:
        files = [Path(name) for name in self.named if Path(name).is_file()]
        episodes = [name for name in self.named if not Path(name).is_file()]
        found = video_files(str(run), embedder, files)
        if not episodes and files:
            return found
        root = self.data or _training_data(run)
        data = open_episodes(str(run), embedder, root, None if episodes else "train")
        for name in episodes:
            require_known(f"episode of {root}, nor a video", name, data.names)
        views = list(self.views) or [
            view for view in training_views(embedder.config, data.meta) if view in data.views
        ]
        for view in views:
            require_known(f"view of {root}", view, data.views)
        chosen = episodes or data.names[:REFERENCE_EPISODES]
        places = [data.names.index(name) for name in chosen]
        return found + [EpisodeView(data, i, view) for i in places for view in views]


def _training_data(run: Path) -> Path:
    if not run.is_dir():
        raise OptionError(
            f"{run} is no folder of a run, which would know its training data: name the data set "
            "of the references by --reference-data, or give videos as references"
        )
    return find_own_data(run, TrainConfig.load(run)).training_data
