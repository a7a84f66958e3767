"""Which runs can embed pictures alone; nothing here needs torch."""

from __future__ import annotations

from pathlib import Path

from align.config import TrainConfig
from datasets.errors import MismatchError


def require_frames_alone(
    run: Path | str, config: TrainConfig, lacking: str = "which videos do not hold"
) -> None:
    """Refuses a run that needs keypoints beside the frames.

    Args:
        run: The run, for messages.
        config: Its options.
        lacking: Why there are no keypoints, as a clause.

    Raises:
        MismatchError: When it needs keypoints.
    """
    if config.needs_keypoints:
        raise MismatchError(
            f"{run} ({config.method}) needs the keypoints of every frame, {lacking}: choose a run "
            "of deit, paat, paab-free or late-predicted."
        )
