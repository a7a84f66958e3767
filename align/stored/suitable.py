"""Which runs can embed pictures alone; nothing here needs torch."""

from __future__ import annotations

from pathlib import Path

from align.config import TrainConfig
from align.engine.checkpoint_header import read_about
from align.engine.run_folder import RunFolder
from align.inputs.protocols import require_known_body
from align.plan import RunPlan
from align.stored.data import learned_meta
from align.zoo.store import resolve
from datasets.errors import MismatchError
from datasets.skeletons import Skeleton


def trained_options(run: Path) -> TrainConfig:
    """The options of a run, from its folder or from a checkpoint.

    Args:
        run: A run's folder, a checkpoint, or `zoo:NAME`.

    Raises:
        DataError: When the folder is no run, or the file is no described checkpoint.
        CheckpointError: When the checkpoint is missing or truncated.
    """
    place = resolve(run)
    if place.is_dir():
        return TrainConfig.load(place)
    return RunPlan.stored(read_about(place), place).config


def require_same_body(run: Path, shown: Skeleton, root: Path) -> None:
    """Refuses a run that needs poses, where the data show another body than it has learned from.

    Args:
        run: A run's folder, a checkpoint, or `zoo:NAME`.
        shown: Skeleton of the data.
        root: Their folder, for messages.

    Raises:
        MismatchError: When the bodies differ.
        DataError: When the run's checkpoint does not hold its skeleton, and its data are missing.
    """
    config, place = trained_options(run), resolve(run)
    if config.needs_keypoints:
        weights = RunFolder(place).checkpoint() if place.is_dir() else place
        learned = learned_meta(place, config, weights)
        who = f"{run} ({config.method})"
        require_known_body(who, config, learned.get_skeleton(), shown, root)


def require_frames_alone(
    run: Path | str, config: TrainConfig, lacking: str = "which videos do not hold"
) -> None:
    """Refuses a run that needs keypoints or cameras beside the frames.

    Args:
        run: The run, for messages.
        config: Its options.
        lacking: Why there are neither, as a clause.

    Raises:
        MismatchError: When it needs keypoints or cameras.
    """
    if config.needs_keypoints:
        raise MismatchError(
            f"{run} ({config.method}) needs the keypoints of every frame, {lacking}: choose a run "
            "of deit, paat, paab-free or late-predicted."
        )
    require_no_cameras(run, config, lacking)


def require_no_cameras(run: Path | str, config: TrainConfig, lacking: str) -> None:
    """Refuses a run that needs the camera of every frame.

    Args:
        run: The run, for messages.
        config: Its options.
        lacking: Why there are no cameras, as a clause.

    Raises:
        MismatchError: When it needs cameras.
    """
    if config.needs_cameras:
        raise MismatchError(
            f"{run} was trained with --rays {config.rays} and needs the camera of every frame, "
            f"{lacking}: choose a run without --rays."
        )
