"""What a run recognises of a split, as it is stored."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from align.evaluate import Checkpoint
from datasets.atomic import atomic_path
from datasets.errors import DataError

logger = logging.getLogger(__name__)

Ensemble = Literal["mean", "max"]


@dataclass(frozen=True)
class ActionEvaluation:
    """What one run recognises of one split.

    Attributes:
        run: The run's folder.
        method: Its method.
        seed: Its seed.
        data: Its data set.
        trained_on: The protocol that it was trained by.
        protocol: The protocol whose clips these are.
        split: train, valid or test.
        checkpoint: Which of the run's weights.
        num_clips: Samples of each clip.
        ensemble: What became of their scores: the mean of probabilities, or the published
            code's elementwise maximum of logits.
        metrics: See `recognition_metrics`.
        recall: Class to the share of its clips that are recognised; absent classes are left out.
        clips: Clip to its class and the recognised one.
    """

    run: Path
    method: str
    seed: int
    data: str
    trained_on: str
    protocol: str
    split: str
    checkpoint: Checkpoint
    num_clips: int
    ensemble: Ensemble
    metrics: dict[str, float]
    recall: dict[str, float]
    clips: dict[str, tuple[str, str]]

    def save(self) -> Path:
        """Writes it into the run's folder and returns the file."""
        path = evaluation_path(self.run, self.protocol, self.split)
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(asdict(self) | {"run": str(self.run)}, indent=1) + "\n")
        return path


def load_evaluation(run: Path, protocol: str, split: str = "test") -> ActionEvaluation:
    """Reads what `action.evaluate` stored.

    Raises:
        DataError: When the run has not been measured on it, or by another version.
    """
    path = evaluation_path(run, protocol, split)
    measure = f"`python -m action.evaluate {run} --protocol {protocol} --split {split}`"
    if not path.exists():
        raise DataError(f"{path} does not exist. Measure the run: {measure}.")
    try:
        return TypeAdapter(ActionEvaluation).validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(f"{path} cannot be read ({error}). Measure again: {measure}.") from None


def find_evaluation(
    run: Path, protocol: str, num_clips: int = 1, ensemble: Ensemble = "mean"
) -> ActionEvaluation | None:
    """What a run's best checkpoint recognises of a protocol's test clips, measured like this.

    Returns:
        None where the run was not measured, or otherwise, or by another version.
    """
    if not evaluation_path(run, protocol, "test").exists():
        return None
    try:
        found = load_evaluation(run, protocol)
    except DataError as error:
        logger.warning("%s", error)
        return None
    measured = (found.checkpoint, found.num_clips, found.ensemble)
    return found if measured == ("best", num_clips, ensemble) else None


def evaluation_path(run: Path, protocol: str, split: str) -> Path:
    """Where the evaluation of a run is stored."""
    return run / "evaluation" / f"{protocol}_{split}.json"
