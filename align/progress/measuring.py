"""The work of `align.progress`: videos are embedded, their progress estimated, measured, stored."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from align.config import Split, TrainConfig
from align.embedder import FrameEmbedder
from align.engine.run_folder import Checkpoint
from align.frame_table import require_table_path, write_table
from align.inputs.footage import EpisodeView, Footage, episode_views, open_episodes, video_files
from align.progress.causality import require_causal
from align.progress.demonstrations import Demonstrations
from align.progress.estimate import ALL, VideoProgress, estimate, measure, table
from align.progress.lerobot import PROGRESS_NAME, write_progress
from align.progress.measures import MEASURES
from align.progress.options import Form, Method, ReadingConfig
from align.results.text import format_spread, markdown
from align.stored.data import find_test_data
from datasets.episodes import EpisodeDataset
from datasets.errors import MissingDataError, OptionError, counted, shortened
from datasets.progress import ProgressBar
from datasets.storage.atomic import atomic_path
from datasets.storage.episode_file import FAILURE
from datasets.storage.index import read_splits

log = logging.getLogger(__name__)

# Episodes that a warning names.
_LISTED = 3
_TITLES = ("Spearman, time", "Kendall, time", "Spearman, phases", "Kendall, phases")


@dataclass(frozen=True)
class Measurement:
    """How a run's progress is measured.

    Attributes:
        run: The run's folder.
        demonstrations: The references.
        forms: Whether frames are judged by the whole video or by those so far.
        how: Options of the methods.
        checkpoint: best: lowest validation alignment error; last: the end of training.
    """

    run: Path
    demonstrations: Demonstrations
    forms: Sequence[Form] = ("offline",)
    how: ReadingConfig = ReadingConfig()
    checkpoint: Checkpoint = "best"

    def of_videos(self, videos: Sequence[Path], out: Path) -> list[VideoProgress]:
        """Writes the progress of video files as a table.

        Args:
            videos: The files.
            out: The table, which ends with .npz or .parquet.

        Raises:
            DataError: When the run, a reference or a video cannot be used.
            OptionError: When the run cannot be causal and is to be.
        """
        embedder = self._ready(out)
        return self._written(embedder, video_files(str(self.run), embedder, videos), out)

    def of_data(
        self,
        out: Path,
        data: Path | None = None,
        split: Split = "test",
        episodes: int | None = None,
        views: Sequence[str] = (),
    ) -> list[VideoProgress]:
        """Writes the progress of a data set's episodes as a table, and its measures beside it.

        Args:
            out: The table, which ends with .npz or .parquet; the measures get the ending .json.
            data: The data set; the run's own by default.
            split: Split whose episodes are measured, beside the failures that the data set has.
            episodes: Measure the first of them alone, and as many failures.
            views: Views to measure; all by default.

        Raises:
            DataError: When the run, a reference or the data set cannot be used.
            OptionError: When the run cannot be causal and is to be.
        """
        embedder = self._ready(out)
        root = data or self._own_data()
        footage = self._episodes(embedder, root, split, episodes, views)
        found = self._written(embedder, footage, out)
        groups = {name: asdict(measures) for name, measures in measure(found).items()}
        stored = {"run": str(self.run), "data": str(root), "split": split, "views": groups}
        with atomic_path(out.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(stored, indent=1) + "\n")
        return found

    def of_lerobot(self, root: Path, method: Method, views: Sequence[str] = ()) -> Path:
        """Writes the progress of a LeRobot data set into its folder; see `align.progress.lerobot`.

        Args:
            root: Folder of the data set.
            method: How progress is read off the references.
            views: Views whose mean is written; all by default.

        Returns:
            The file.

        Raises:
            DataError: When the run, a reference or the data set cannot be used.
            OptionError: When both forms are asked for, or the run cannot be causal and is to be.
        """
        if len(self.forms) > 1:
            raise OptionError("--lerobot stores one progress: take --form offline or causal.")
        embedder = self._ready(root / PROGRESS_NAME)
        references = self.demonstrations.embed(self.run, embedder, self.how.centre)
        form = self.forms[0]
        return write_progress(root, self.run, embedder, references, form, method, self.how, views)

    def _own_data(self) -> Path:
        if not self.run.is_dir():
            raise OptionError(
                f"{self.run} is no folder of a run, which would know its data: name a data set by "
                "--data, or videos."
            )
        return find_test_data(self.run, TrainConfig.load(self.run))[0]

    def _ready(self, out: Path) -> FrameEmbedder:
        require_table_path(out)
        embedder = FrameEmbedder.load(self.run, self.checkpoint)
        if "causal" in self.forms:
            require_causal(str(self.run), embedder)
        return embedder

    def _episodes(
        self,
        embedder: FrameEmbedder,
        root: Path,
        split: Split,
        episodes: int | None,
        views: Sequence[str],
    ) -> list[Footage]:
        who = str(self.run)
        solved = open_episodes(who, embedder, root, split, views or None)
        self._advise(solved)
        sets = [solved]
        if FAILURE in read_splits(solved.index_path):
            sets.append(open_episodes(who, embedder, root, FAILURE, views or None))
        footage = []
        for data in sets:
            footage += episode_views(data)[
                : None if episodes is None else episodes * len(data.views)
            ]
        if not footage:
            raise MissingDataError(f"{root} has no episodes in the split {split}.")
        return footage

    def _advise(self, data: EpisodeDataset) -> None:
        """Warns where the causal form would centre videos by references of other cameras."""
        by_references = "causal" in self.forms and self.how.centre == "references"
        if data.meta.random_cameras and by_references:
            log.warning(
                "every episode of %s has cameras of its own, from which no reference was filmed: "
                "the causal form follows them better with --centre start",
                data.root,
            )

    def _written(
        self, embedder: FrameEmbedder, footage: Sequence[Footage], out: Path
    ) -> list[VideoProgress]:
        shown = self.demonstrations.footage(self.run, embedder)
        _warn_of_unlike(footage, shown)
        references = self.demonstrations.embed_footage(shown, embedder, self.how.centre)
        found = []
        for video in ProgressBar(footage, desc=self.run.name, unit="video"):
            raw = video.encode(embedder)
            found.append(estimate(video, raw, references, self.forms, self.how))
        write_table(out, table(found))
        return found


def _warn_of_unlike(measured: Sequence[Footage], references: Sequence[Footage]) -> None:
    """Warns where videos are their own references, or those of another task."""
    sources = {reference.source for reference in references}
    own = dict.fromkeys(video.episode for video in measured if video.source in sources)
    if own:
        log.warning(
            "%s: among the references of its own progress, which is then better than that of a "
            "new video: name others by --reference.",
            shortened(list(own), _LISTED),
        )
    worlds, shown = (_worlds(footage) for footage in (measured, references))
    if worlds and shown and not worlds & shown:
        log.warning(
            "the references show %s, and the episodes %s: progress through one task says little "
            "of another. Name references of the same by --reference-data.",
            " and ".join(sorted(shown)),
            " and ".join(sorted(worlds)),
        )


def _worlds(footage: Sequence[Footage]) -> set[str]:
    return {video.data.meta.env for video in footage if isinstance(video, EpisodeView)}


def summary(videos: Sequence[VideoProgress]) -> str:
    """Measures of all videos as Markdown, the first-person view and the others apart."""
    lines = []
    groups = measure(videos)
    for group, measures in groups.items():
        if group != ALL and len(groups) == 2:
            continue  # all videos are of this group
        count = f"{counted(measures.videos, 'video')}, {measures.failures} of failures"
        header = [f"{group} views ({count})" if group != ALL else count, *_TITLES, "AUC of success"]
        rows = [
            [name, *(format_spread(measures.order[name][m]) for m in MEASURES), format_spread(auc)]
            for name, auc in measures.auc.items()
            if name in measures.order
        ]
        lines.append(markdown(header, rows))
    return "\n\n".join(lines)
