"""The runs of a page before their models are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from align.engine.run_folder import RunFolder
from align.labels import labels
from align.stored.suitable import require_frames_alone, trained_options
from align.zoo.store import resolve
from datasets.errors import MissingDataError


@dataclass(frozen=True)
class RunAbout:
    """A run.

    Attributes:
        path: A folder made by `align.train`, a checkpoint, or `zoo:NAME`.
        label: Its name on the page.
        method: The method, such as `paab`.
        transformer: Whether it has attention.
        patches: Whether it has patches that keypoints can be in.
    """

    path: Path
    label: str
    method: str
    transformer: bool
    patches: bool


def about_runs(paths: Sequence[Path], videos: bool = False) -> list[RunAbout]:
    """Reads the options of runs.

    Args:
        paths: Their folders, checkpoints or models of the zoo.
        videos: Whether they are to embed plain videos.

    Raises:
        DataError: When a folder is no run or has no checkpoint, or a run needs keypoints and videos
            have none.
    """
    return [_about(path, label, videos) for path, label in zip(paths, labels(paths), strict=True)]


def _about(path: Path, label: str, videos: bool) -> RunAbout:
    config = trained_options(path)
    place = resolve(path)
    weights = RunFolder(place).checkpoint() if place.is_dir() else place
    if not weights.exists():
        raise MissingDataError(f"{weights} does not exist: train the run to its first validation.")
    if videos:
        require_frames_alone(path, config)
    encoder = config.parts.encoder
    return RunAbout(path, label, config.method, encoder == "vit", encoder != "disentangle")
