"""The plan of a trained run, from its checkpoint or, for earlier versions, from its data."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from align.config import TrainConfig
from align.engine.checkpoint_header import read_about
from align.engine.run_folder import Checkpoint, RunFolder
from align.models.encoder import IMAGENET_MEAN, IMAGENET_STD
from align.networks import Normalisation
from align.plan import RunPlan
from align.stored.data import learned_meta


class StoredPlan(NamedTuple):
    """What a trained run says about its model.

    Attributes:
        plan: The plan.
        normalisation: The `mean` and `std` of its frames, where they are stored.
        nearest_distance: See `FrameEmbedder`; None in runs of earlier versions.
    """

    plan: RunPlan
    normalisation: Normalisation
    nearest_distance: float | None

    @classmethod
    def _of(cls, plan: RunPlan, about: dict[str, Any]) -> StoredPlan:
        return cls(plan, about.get("normalisation", {}), about.get("nearest_distance"))


def stored_plan(run: Path, checkpoint: Checkpoint = "best") -> StoredPlan:
    """The plan of a trained run.

    Args:
        run: A run's folder, or a checkpoint.
        checkpoint: Checkpoint of a folder whose description is read.

    Raises:
        DataError: See `FrameEmbedder.load`.
        CheckpointError: When the checkpoint is missing or truncated.
    """
    if run.is_file():
        about = read_about(run)
        return StoredPlan._of(RunPlan.stored(about, run), about)
    config = TrainConfig.load(run)
    weights = RunFolder(run).checkpoint(checkpoint)
    plan = RunPlan.of(config, learned_meta(run, config, weights))
    return StoredPlan._of(plan, read_about(weights))


def stored_normalisation(run: Path) -> Normalisation:
    """The statistics that a started run normalises with; ImageNet's in those of earlier versions.

    Raises:
        CheckpointError: When its checkpoint is missing or truncated.
    """
    about = read_about(RunFolder(run).checkpoint("last"))
    return about.get("normalisation", {"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)})
