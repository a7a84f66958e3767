"""Progress of many videos, by every method in every form, and its measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int64

from align.frame_table import Columns, joined
from align.inputs.footage import EpisodeView, Footage
from align.progress.measures import mean_measures, order_measures, success_auc
from align.progress.methods import causal_progress, offline_progress
from align.progress.options import METHODS, Form, Method, ReadingConfig
from align.progress.references import References, Video
from datasets.storage.episode_file import EGO

_READ = {"offline": offline_progress, "causal": causal_progress}
# Groups of views whose measures stand apart.
ALL, FIRST, THIRD = "all", "first-person", "third-person"


def column(form: Form, method: Method) -> str:
    """Name of a progress: `offline_nearest`, `causal_goal`."""
    return f"{form}_{method}"


@dataclass(frozen=True)
class VideoProgress:
    """Progress of one video.

    Attributes:
        episode: Name of the episode, or path of the video.
        view: Name of the view.
        time: Seconds of each frame from the first one.
        progress: Name of the form and method to the progress at each frame, 0 to 1.
        phases: The simulator's phase of each frame; None where it is not known.
        success: Whether the task was solved; None where it is not known.
    """

    episode: str
    view: str
    time: Float[np.ndarray, " time"]
    progress: Mapping[str, Float[np.ndarray, " time"]]
    phases: Int64[np.ndarray, " time"] | None = None
    success: bool | None = None

    def rows(self) -> Columns:
        """A table with one row a frame."""
        length = len(self.time)
        return {
            "view": np.full(length, self.view),
            "episode": np.full(length, self.episode),
            "frame": np.arange(length),
            "time": self.time,
            **self.progress,
        }


def estimate(
    footage: Footage, raw: Video, references: References, forms: Sequence[Form], how: ReadingConfig
) -> VideoProgress:
    """Progress of a video by all methods.

    Args:
        footage: The video.
        raw: Its embeddings before `FrameEncoder.compare`.
        references: The demonstrations.
        forms: Whether frames are judged by the whole video or by those so far.
        how: Options of the methods.
    """
    found = {
        column(form, method): _READ[form](raw, references, method, how)
        for form in forms
        for method in METHODS
    }
    phases = success = None
    if isinstance(footage, EpisodeView):
        phases, success = footage.data.phases(footage.i), footage.data.success(footage.i)
    time = footage.times()[: len(raw)]
    return VideoProgress(footage.episode, footage.view, time, found, phases, success)


def table(videos: Sequence[VideoProgress]) -> dict[str, np.ndarray]:
    """Rows of all videos."""
    return joined([video.rows() for video in videos])


@dataclass(frozen=True)
class ProgressMeasures:
    """Measures of some videos, by the name of the progress.

    Attributes:
        videos: Number of successes that the value order is measured on.
        failures: Number of failures.
        order: Progress to measure to mean over the successes.
        auc: Progress to the area under the ROC curve of success against failure; NaN without
            videos of both.
    """

    videos: int
    failures: int
    order: dict[str, dict[str, float]] = field(default_factory=dict)
    auc: dict[str, float] = field(default_factory=dict)


def measure(videos: Sequence[VideoProgress]) -> dict[str, ProgressMeasures]:
    """Measures over all videos, and over those of the first-person view and of the others apart."""
    groups = {
        ALL: list(videos),
        FIRST: [video for video in videos if video.view == EGO],
        THIRD: [video for video in videos if video.view != EGO],
    }
    return {name: _measured(some) for name, some in groups.items() if some}


def _measured(videos: Sequence[VideoProgress]) -> ProgressMeasures:
    # A failure need not come nearer to the goal over time.
    solved = [video for video in videos if video.success is not False]
    failed = [video for video in videos if video.success is False]
    names = list(videos[0].progress)
    order = {
        name: mean_measures([order_measures(v.progress[name], v.phases) for v in solved])
        for name in names
    }
    ends = {name: [[v.progress[name][-1] for v in s] for s in (solved, failed)] for name in names}
    auc = {name: success_auc(*of_both) for name, of_both in ends.items()}
    return ProgressMeasures(len(solved), len(failed), order if solved else {}, auc)
