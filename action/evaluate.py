"""Measures how well a trained run recognises the actions of held-out clips.

    python -m action.evaluate runs/paab_ntu_CVS3_20260101-120000
    python -m action.evaluate runs/paab_* --num-clips 10 --protocol CVS2

Writes `evaluation/<protocol>_<split>.json`, the confusion matrix as a picture beside it, and the
clips' features as `.safetensors`, which `python -m action.retrieve` searches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from jaxtyping import Float

from action.clips import open_data, usable
from action.config import ActionConfig
from action.evaluation import (
    ActionEvaluation,
    Ensemble,
    class_recall,
    confusion,
    evaluation_path,
    recognition_metrics,
)
from action.features import ClipFeatures, features_path, fingerprint, load_recognizer
from action.pictures import draw_confusion
from align.engine.checkpoint import CheckpointError
from align.engine.run_folder import Checkpoint, checkpoint_path
from datasets.command import parse, set_up_logging, user_errors
from datasets.errors import DataError


def ensembled(
    logits: Float[np.ndarray, "clips samples classes"], how: Ensemble
) -> Float[np.ndarray, "clips classes"]:
    """One score a clip and class of its samples' logits."""
    if how == "max":
        return logits.max(axis=1)
    return torch.from_numpy(logits).softmax(dim=-1).mean(dim=1).numpy()


def evaluate(
    run: Path,
    split: str = "test",
    protocol: str | None = None,
    checkpoint: Checkpoint = "best",
    num_clips: int = 1,
    ensemble: Ensemble = "mean",
    progress: bool = True,
) -> ActionEvaluation:
    """Evaluates a run and writes the result into its folder.

    Raises:
        DataError: When the run or its data cannot be read.
        CheckpointError: When its checkpoint cannot be used.
    """
    config = ActionConfig.load(run)
    trained_on = open_data(config)
    data = trained_on if protocol is None else open_data(replace(config, protocol=protocol))
    if data.classes != trained_on.classes:
        raise DataError(
            f"{run} tells {len(trained_on.classes)} classes of {trained_on.protocol} apart, "
            f"but {data.protocol} has {len(data.classes)} others."
        )
    clips = usable(data.parts[split], config)
    recognizer = load_recognizer(run, checkpoint, data)
    logits, features = recognizer.recognize(clips, num_clips, run.name if progress else None)
    scores, labels = ensembled(logits, ensemble), np.array([clip.label for clip in clips])
    matrix = confusion(scores, labels)
    recall = zip(data.classes, class_recall(matrix).tolist(), strict=True)
    guesses = [data.classes[i] for i in scores.argmax(axis=1)]
    result = ActionEvaluation(
        run,
        config.method,
        config.seed,
        config.data,
        trained_on.protocol,
        data.protocol,
        split,
        checkpoint,
        num_clips,
        ensemble,
        recognition_metrics(scores, labels),
        {name: value for name, value in recall if not np.isnan(value)},
        {
            clip.name: (data.classes[clip.label], guess)
            for clip, guess in zip(clips, guesses, strict=True)
        },
    )
    model = fingerprint(checkpoint_path(run, checkpoint))
    ClipFeatures(features, clips, data.classes, model, num_clips).save(
        features_path(run, data.protocol, split)
    )
    picture = evaluation_path(run, data.protocol, split).with_suffix(".png")
    draw_confusion(matrix, data.classes, picture)
    result.save()
    return result


def describe(result: ActionEvaluation) -> str:
    """The metrics, and each class's recall."""
    width = max(map(len, result.recall), default=0)
    return "\n".join(
        [
            f"{result.run} ({result.method}, trained on {result.trained_on}), "
            f"{result.protocol} {result.split}: {len(result.clips)} clips",
            *(f"  {name:<20} {value:.3f}" for name, value in result.metrics.items()),
            *(f"    {name:<{width}} {value:.3f}" for name, value in result.recall.items()),
        ]
    )


def run(
    runs: tyro.conf.Positional[tuple[Path, ...]],
    protocol: str | None = None,
    split: Literal["test", "valid", "train"] = "test",
    checkpoint: Checkpoint = "best",
    num_clips: int = 1,
    ensemble: Ensemble = "mean",
) -> None:
    """Measures how well trained runs recognise the actions of held-out clips.

    Args:
        runs: Folders made by `python -m action.train`.
        protocol: Whose clips; the protocol that the run was trained by, if not said.
        split: Which of its clips.
        checkpoint: best: lowest validation error; last: the end of training.
        num_clips: Samples of each clip, spread over its time (the paper's 10).
        ensemble: mean of the samples' probabilities, or the published maximum of logits.
    """
    set_up_logging()
    for folder in runs:
        with user_errors(DataError, CheckpointError):
            result = evaluate(folder, split, protocol, checkpoint, num_clips, ensemble)
        print(describe(result))
        print(f"confusion: {evaluation_path(folder, result.protocol, split).with_suffix('.png')}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parse(run, "python -m action.evaluate", arguments)


if __name__ == "__main__":
    main()
