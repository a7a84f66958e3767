"""Which runs can embed pictures alone; nothing here needs torch."""

from __future__ import annotations

from pathlib import Path

from align.config import TrainConfig
from datasets.errors import MismatchError


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
