"""Stored evaluations of action recognition, and the metrics in them."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote

import numpy as np
from jaxtyping import Float, Int
from pydantic import TypeAdapter, ValidationError
from sklearn.metrics import confusion_matrix, top_k_accuracy_score

from action.config import Ensemble
from align.engine.run_folder import Checkpoint, RunFolder
from datasets.errors import DamagedDataError, DataError, MissingDataError, first_fault
from datasets.storage.atomic import atomic_path

logger = logging.getLogger(__name__)

# The metric of most data sets is accuracy; these have another.
_OWN_METRIC = {"smarthome": "mean_class_accuracy"}


def own_metric(format: str) -> str:
    """The metric that is published for a data set: top1, or Smarthome's mean_class_accuracy."""
    return _OWN_METRIC.get(format, "top1")


def recognition_metrics(
    scores: Float[np.ndarray, "clips classes"], labels: Int[np.ndarray, " clips"]
) -> dict[str, float]:
    """top1, top5 (with more than five classes) and mean class accuracy.

    Mean class accuracy, Smarthome's metric, is the mean recall over the classes in `labels`;
    classes without a clip do not count.
    """
    classes = scores.shape[1]
    every = np.arange(classes)
    metrics = {"top1": float((scores.argmax(axis=1) == labels).mean())}
    if classes > 5:
        metrics["top5"] = float(top_k_accuracy_score(labels, scores, k=5, labels=every))
    metrics["mean_class_accuracy"] = float(np.nanmean(class_recall(confusion(scores, labels))))
    return metrics


def confusion(
    scores: Float[np.ndarray, "clips classes"], labels: Int[np.ndarray, " clips"]
) -> Int[np.ndarray, "classes classes"]:
    """Clips of each class (rows) by the class with the highest score (columns)."""
    return confusion_matrix(labels, scores.argmax(axis=1), labels=np.arange(scores.shape[1]))


def class_recall(matrix: Int[np.ndarray, "classes classes"]) -> Float[np.ndarray, " classes"]:
    """Share of each class's clips that are recognised; NaN for a class without clips."""
    with np.errstate(invalid="ignore"):
        return matrix.diagonal() / matrix.sum(axis=1)


@dataclass(frozen=True)
class ActionEvaluation:
    """Metrics of one run on one split, and the class that it recognises in each clip.

    Attributes:
        run: The run's folder.
        method: The run's method.
        seed: The run's seed.
        data: Name of the run's data set.
        trained_on: Protocol that the run was trained with.
        protocol: Protocol that the clips come from.
        split: train, valid or test.
        checkpoint: The measured weights, best or last.
        num_clips: Samples of each clip.
        ensemble: How the scores of the samples are combined: the mean of probabilities, or the
            published code's elementwise maximum of logits.
        metrics: See `recognition_metrics`.
        recall: Class to the share of its clips that are recognised; absent classes are left out.
        clips: Clip to its class and the recognised one.
        identity: Digest of the clips and their splits, see `datasets.clips.identity`; None in
            evaluations by earlier versions.
        processor: The processor and number format that measured, such as `AMD EPYC 9B14, fp32`.
        processors: Those that trained the run, several where it was resumed on another; empty in
            evaluations by earlier versions.
        other: Name of the folder of the clips, where they are not of the run's own data set.
        sees: What the model sees at inference; empty in evaluations by earlier versions.
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
    identity: str | None = None
    processor: str = ""
    processors: tuple[str, ...] = ()
    other: str = ""
    sees: str = ""

    @property
    def name(self) -> str:
        """The name under which it is stored."""
        return evaluation_name(self.protocol, self.split, self.other)

    def save(self) -> Path:
        """Writes it into the run's folder and returns the file."""
        path = RunFolder(self.run).evaluation(self.name)
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(asdict(self) | {"run": str(self.run)}, indent=1) + "\n")
        return path


def load_evaluation(run: Path, protocol: str, split: str = "test") -> ActionEvaluation:
    """Reads a stored evaluation of a run.

    Raises:
        DataError: When the run has not been measured on the split, or was by another version.
    """
    path = RunFolder(run).evaluation(evaluation_name(protocol, split))
    measure = f"`python -m action.evaluate {quote(str(run))} --protocol {protocol} --split {split}`"
    if not path.exists():
        raise MissingDataError(f"{path} does not exist. Measure the run: {measure}.")
    try:
        return TypeAdapter(ActionEvaluation).validate_json(path.read_bytes())
    except ValidationError as error:
        raise DamagedDataError(
            f"{path} cannot be read ({first_fault(error)}). Measure again: {measure}."
        ) from None


def find_evaluation(
    run: Path,
    protocol: str,
    num_clips: int = 1,
    ensemble: Ensemble = "mean",
    identity: str | None = None,
) -> ActionEvaluation | None:
    """The evaluation of a run's best checkpoint on the test clips of a protocol.

    Returns:
        The evaluation; None where the run was not measured, was measured with other samples or
        another ensemble, on clips that are known to have another identity, or by another version.
    """
    if not RunFolder(run).evaluation(evaluation_name(protocol, "test")).exists():
        return None
    try:
        found = load_evaluation(run, protocol)
    except DataError as error:
        logger.warning("%s", error)
        return None
    measured = (found.checkpoint, found.num_clips, found.ensemble)
    if identity is not None and found.identity not in (None, identity):
        return None
    return found if measured == ("best", num_clips, ensemble) else None


def evaluation_name(protocol: str, split: str, other: str = "") -> str:
    """The name under which the results of a run on a split are stored.

    Args:
        protocol: How the clips are split.
        split: train, valid or test.
        other: Name of the folder of the clips, where they are not of the run's own data set.
    """
    return f"{protocol}_{split}" + (f"_on_{other}" if other else "")
