"""How well clips are recognised, from class probabilities."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from sklearn.metrics import confusion_matrix, top_k_accuracy_score


def recognition_metrics(
    scores: Float[np.ndarray, "clips classes"], labels: Int[np.ndarray, " clips"]
) -> dict[str, float]:
    """top1, top5 (where there are more than five classes) and mean class accuracy.

    Mean class accuracy, Smarthome's metric, is the mean recall over the classes that `labels`
    hold; classes without a clip do not count.
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
