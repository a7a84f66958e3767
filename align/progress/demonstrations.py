"""Demonstrations of a run: episodes of its training data, of another data set, or video files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from align.config import TrainConfig
from align.embedder import FrameEmbedder
from align.inputs.footage import EpisodeView, Footage, open_episodes, require_frames, video_files
from align.inputs.protocols import training_views
from align.progress.options import REFERENCE_EPISODES, Centre
from align.progress.references import References
from align.stored.data import find_own_data
from datasets.bounds import require_distinct
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError, OptionError, require_known
from datasets.progress import ProgressBar
from datasets.video import VIDEO_SUFFIXES

log = logging.getLogger(__name__)

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
        footage = self.footage(Path(run), embedder)
        return self.embed_footage(footage, embedder, centre, progress)

    def embed_footage(
        self,
        footage: Sequence[Footage],
        embedder: FrameEmbedder,
        centre: Centre = "references",
        progress: bool = True,
    ) -> References:
        """Embeds what `footage` returned; other arguments and the errors are those of `embed`."""
        bar = ProgressBar(footage, desc="references", unit="video", disable=not progress)
        encoded = [video.encode(embedder) for video in bar]
        references = References(embedder.model, encoded, centre)
        generator = torch.Generator().manual_seed(_SHUFFLE_SEED)
        return references.shuffled(generator) if self.shuffled else references

    def footage(self, run: Path, embedder: FrameEmbedder) -> list[Footage]:
        """The videos of the references, before they are embedded; errors as of `embed`."""
        require_distinct("--reference", self.named)
        require_distinct("--reference-views", self.views)
        files = [Path(name) for name in self.named if Path(name).is_file()]
        episodes = [name for name in self.named if not Path(name).is_file()]
        for name in episodes:
            if _is_path(name):
                require_frames(Path(name))  # which says what is wrong with it
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
        _warn_of_world(str(run), embedder, data)
        places = _solved(data, [data.names.index(name) for name in episodes])
        return found + [EpisodeView(data, i, view) for i in places for view in views]


def _solved(data: EpisodeDataset, named: Sequence[int]) -> list[int]:
    """Episodes in which the task is done: those that are named, or else the first ones.

    Raises:
        MismatchError: When a named one is a failure, or all are.
    """
    for i in named:
        if data.success(i) is False:
            raise MismatchError(
                f"{data.names[i]} of {data.root} is a failure, whose end is not that of the task: "
                "name an episode in which the task is done."
            )
    solved = (i for i in range(len(data)) if data.success(i) is not False)
    chosen = list(named) or list(islice(solved, REFERENCE_EPISODES))
    if not chosen:
        raise MismatchError(
            f"{data.root} has no training episode in which the task is done: name references by "
            "--reference."
        )
    return chosen


def _warn_of_world(who: str, embedder: FrameEmbedder, data: EpisodeDataset) -> None:
    learned, shown = embedder.plan.meta.env, data.meta.env
    if shown != learned:
        log.warning("%s has learned from %s, and the references show %s.", who, learned, shown)


def _is_path(name: str) -> bool:
    """Whether a name is meant to be that of a file, which an episode's is not."""
    return "/" in name or Path(name).suffix.lower() in VIDEO_SUFFIXES


def _training_data(run: Path) -> Path:
    if not run.is_dir():
        raise OptionError(
            f"{run} is no folder of a run, which would know its training data: name the data set "
            "of the references by --reference-data, or give videos as references"
        )
    return find_own_data(run, TrainConfig.load(run)).training_data
