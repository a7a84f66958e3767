"""Which runs can embed plain videos; nothing here needs torch."""

from __future__ import annotations

from pathlib import Path

from align.config import TrainConfig
from datasets.errors import MismatchError


def require_frames_alone(run: Path, config: TrainConfig) -> None:
    """Refuses a run that cannot embed plain videos.

    Raises:
        MismatchError: When it needs keypoints.
    """
    if config.needs_keypoints:
        raise MismatchError(
            f"{run} ({config.method}) needs the keypoints of every frame, which videos do not "
            "hold: choose a run of deit, paat, paab-free or late-predicted."
        )
