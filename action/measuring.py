"""The measurement of a trained run: the class and the feature of every clip of a split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float

from action.config import ActionConfig, DataName, Ensemble
from action.evaluation import (
    ActionEvaluation,
    class_recall,
    confusion,
    recognition_metrics,
)
from action.features import ClipFeatures, fingerprint
from action.inputs.clips import ActionData, open_data, open_other_data, open_own_data, usable
from action.models.registry import modality
from action.pictures import draw_confusion
from action.recognizer import ClipRecognizer, require_finite
from action.results import TITLES, chance
from align.engine.device import keep_freed_memory, processor_of
from align.engine.origin import Origin
from align.engine.run_folder import Checkpoint, RunFolder
from align.results.text import ARROWS, with_arrow
from datasets.bounds import PositiveInt, require_values_in_bounds
from datasets.clips.identity import clip_seals
from datasets.errors import OptionError, counted, require_known
from datasets.storage.atomic import require_writable
from datasets.storage.episode_file import SPLITS

NOTE = f"{ARROWS} chance: guessing among the classes of the measured clips."


def ensembled(
    logits: Float[np.ndarray, "clips samples classes"], how: Ensemble
) -> Float[np.ndarray, "clips classes"]:
    """One score for each clip and class, from the logits of the clip's samples."""
    if how == "max":
        return logits.max(axis=1)
    return torch.from_numpy(logits).softmax(dim=-1).mean(dim=1).numpy()


def measure(
    run: Path,
    split: str,
    protocol: str | None,
    checkpoint: Checkpoint,
    num_clips: int,
    ensemble: Ensemble,
    progress: bool,
    root: Path | None = None,
    move: bool = False,
    other: DataName | None = None,
) -> ActionEvaluation:
    """Measures a run and stores the result; see `action.evaluate.evaluate`."""
    _require_valid(split, checkpoint, num_clips, ensemble)
    keep_freed_memory()
    config = ActionConfig.load(run)
    require_writable(RunFolder(run).evaluation(split))
    data = _measured_data(run, config, protocol, root, move, other)
    recognizer = ClipRecognizer.load(run, checkpoint, root=None if other else data.clip_set.root)
    data = recognizer.with_own_labels(data, run)
    clips = usable(data.parts[split], config)
    if split != "train" and (origin := Origin.load(run)) is not None:
        origin.require_unseen(clip_seals(clips), run, data.clip_set.root)
    recognizer.sample_as(data.clip_set.format)
    logits, features = recognizer.recognize(clips, num_clips, run.name if progress else None)
    require_finite(logits, clips)
    scores, labels = ensembled(logits, ensemble), np.array([clip.label for clip in clips])
    matrix = confusion(scores, labels)
    recall = zip(data.classes, class_recall(matrix).tolist(), strict=True)
    guesses = [data.classes[i] for i in scores.argmax(axis=1)]
    result = ActionEvaluation(
        run=run,
        method=config.method,
        seed=config.seed,
        data=config.data,
        trained_on=recognizer.plan.learned.protocol,
        protocol=data.protocol,
        split=split,
        checkpoint=checkpoint,
        num_clips=num_clips,
        ensemble=ensemble,
        metrics=recognition_metrics(scores, labels),
        recall={name: value for name, value in recall if not np.isnan(value)},
        clips={
            clip.name: (data.classes[clip.label], guess)
            for clip, guess in zip(clips, guesses, strict=True)
        },
        identity=data.digest,
        processor=processor_of(next(recognizer.model.parameters()).device, config.precision),
        processors=RunFolder(run).processors,
        other=data.clip_set.root.resolve().name if other else "",
        sees=modality(config),
    )
    folder, name = RunFolder(run), result.name
    model = fingerprint(folder.checkpoint(checkpoint))
    stored = ClipFeatures(features, clips, data.classes, model, num_clips)
    stored.save(folder.features(name))
    draw_confusion(matrix, data.classes, folder.confusion(name))
    # The metrics come last: their file means that the others are there.
    result.save()
    return result


def _require_valid(split: str, checkpoint: str, num_clips: int, ensemble: str) -> None:
    """Checks what a command line checks by its types, for calls from Python."""
    require_known("split", split, SPLITS)
    require_known("checkpoint", checkpoint, get_args(Checkpoint))
    require_known("ensemble", ensemble, get_args(Ensemble))
    require_values_in_bounds({"num_clips": num_clips}, {"num_clips": PositiveInt})


def _measured_data(
    run: Path,
    config: ActionConfig,
    protocol: str | None,
    root: Path | None,
    move: bool,
    other: DataName | None,
) -> ActionData:
    if other is not None:
        if move:
            raise OptionError(
                "--relocate stores where the run's own data set lies now: leave out --data, which "
                "names another."
            )
        return open_other_data(config, other, root, protocol)
    changed = f", or measure on the clips that are there now: --data {config.data} --root FOLDER"
    own = open_own_data(run, config, root, move, changed)
    if protocol is None:
        return own
    return open_data(replace(config, root=own.clip_set.root, protocol=protocol), own.clip_set)


def describe(result: ActionEvaluation) -> str:
    """The metrics with their chance levels, and the recall of each class, as text."""
    width = max(map(len, [*result.recall, *map(_title, result.metrics)]))
    place = f" of {result.other}" if result.other else ""
    lines = [
        f"{result.run} ({result.method}, trained on {result.trained_on}, sees {result.sees}), "
        f"{result.protocol} {result.split}{place}: {counted(len(result.clips), 'clip')}",
        f"  {'':<{width}}  value  chance",
    ]
    for name, value in result.metrics.items():
        random = chance(name, len(result.recall)) / 100
        lines.append(f"  {_title(name):<{width}}  {value:.3f}   {random:.3f}")
    lines += ["  recall of each class ↑"]
    lines += [f"  {name:<{width}}  {value:.3f}" for name, value in result.recall.items()]
    return "\n".join(lines)


def _title(metric: str) -> str:
    return with_arrow(metric, TITLES[metric])
