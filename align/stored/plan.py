"""The plan of a trained run, from its checkpoint or, for earlier versions, from its data."""

from __future__ import annotations

from pathlib import Path

from align.config import TrainConfig
from align.engine.checkpoint_header import read_about
from align.engine.run_folder import Checkpoint, RunFolder
from align.models.encoder import IMAGENET_MEAN, IMAGENET_STD
from align.networks import Normalisation
from align.plan import RunPlan
from align.stored.data import learned_meta


def stored_plan(run: Path, checkpoint: Checkpoint = "best") -> tuple[RunPlan, Normalisation]:
    """The plan of a trained run, and the `mean` and `std` of its frames where they are stored.

    Args:
        run: A run's folder, or a checkpoint.
        checkpoint: Checkpoint of a folder whose description is read.

    Raises:
        DataError: See `FrameEmbedder.load`.
        CheckpointError: When the checkpoint is missing or truncated.
    """
    if run.is_file():
        about = read_about(run)
        return RunPlan.stored(about, run), about.get("normalisation", {})
    config = TrainConfig.load(run)
    weights = RunFolder(run).checkpoint(checkpoint)
    plan = RunPlan.of(config, learned_meta(run, config, weights))
    return plan, read_about(weights).get("normalisation", {})


def stored_normalisation(run: Path) -> Normalisation:
    """The statistics that a started run normalises with; ImageNet's in those of earlier versions.

    Raises:
        CheckpointError: When its checkpoint is missing or truncated.
    """
    about = read_about(RunFolder(run).checkpoint("last"))
    return about.get("normalisation", {"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)})
