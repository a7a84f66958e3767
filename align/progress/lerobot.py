"""Progress of a LeRobot data set in the layout that its reward-aligned behaviour cloning reads.

`sarm_progress.parquet` lies in the data set's folder: `index`, `episode_index`, `frame_index` and
`progress_sparse`, one row a frame in the order of the data set. The name and the columns are those
of LeRobot's own reward model, SARM.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from align.embedder import FrameEmbedder
from align.frame_table import joined, write_table
from align.inputs.augment import small_frames
from align.progress.methods import Progress, causal_progress, offline_progress
from align.progress.options import Form, Method, ReadingConfig
from align.progress.references import References
from align.stored.suitable import require_frames_alone
from datasets.errors import require_known
from datasets.formats.lerobot import LeRobotSource
from datasets.progress import ProgressBar

PROGRESS_NAME = "sarm_progress.parquet"


def write_progress(
    root: Path,
    run: Path,
    embedder: FrameEmbedder,
    references: References,
    form: Form,
    method: Method,
    how: ReadingConfig,
    views: Sequence[str] = (),
) -> Path:
    """Writes the progress of every frame of a LeRobot data set, the mean over its views.

    Args:
        root: Folder of the data set.
        run: The run, for messages.
        embedder: Its encoder.
        references: Embedded by the same run.
        form: Whether frames are judged by the whole episode or by those so far.
        method: How progress is read off the references.
        how: Options of the method.
        views: Views to read; all by default.

    Returns:
        The file.

    Raises:
        DataError: When the data set cannot be read, or pyarrow is not installed.
        MismatchError: When the run needs keypoints.
        UnknownNameError: When the data set has no such view.
    """
    require_frames_alone(run, embedder.config, "which a LeRobot data set is not asked for")
    source = LeRobotSource(root)
    for view in views:
        require_known(f"view of {root}", view, source.views)
    read = offline_progress if form == "offline" else causal_progress
    tables, start = [], 0
    for i in ProgressBar(range(len(source)), desc=root.name, unit="episode"):
        episode = source.lazy_episode(i)
        found = [
            read(
                embedder.encode_frames(small_frames(episode.images[view], embedder.image_size)),
                references,
                method,
                how,
            )
            for view in views or source.views
        ]
        tables.append(_rows(int(source.names[i]), start, np.mean(found, axis=0)))
        start += len(episode)
    out = root / PROGRESS_NAME
    write_table(out, joined(tables))
    return out


def _rows(episode: int, start: int, progress: Progress) -> dict[str, np.ndarray]:
    frame = np.arange(len(progress))
    return {
        "index": start + frame,
        "episode_index": np.full(len(frame), episode),
        "frame_index": frame,
        "progress_sparse": progress.astype(np.float32),
    }
