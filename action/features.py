"""Clips as features: made by a run once, and stored so that they say what they are."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from action.clips import ActionData, open_all_data, open_data, sample_config, usable
from action.config import ActionConfig, DataName
from action.task import ClipRecognizer
from align.engine.checkpoint import load_checkpoint
from align.engine.run_folder import Checkpoint, checkpoint_path
from datasets.clips.base import ClipInfo
from datasets.errors import DataError
from datasets.storage.atomic import atomic_path

logger = logging.getLogger(__name__)

_CLIPS = TypeAdapter(tuple[ClipInfo, ...])


@dataclass(frozen=True)
class ClipFeatures:
    """Features of clips.

    Attributes:
        features: One a clip.
        clips: What they are of.
        classes: What their labels index.
        model: Tells apart the weights that made them, see `fingerprint`.
        num_clips: Samples of each clip, whose mean a feature is.
    """

    features: Float[np.ndarray, "clips dim"]
    clips: tuple[ClipInfo, ...]
    classes: tuple[str, ...]
    model: str
    num_clips: int

    @property
    def labels(self) -> Int[np.ndarray, " clips"]:
        """Each clip's class."""
        return np.array([clip.label for clip in self.clips], np.int64)

    def save(self, path: Path) -> None:
        """Writes them, whole or not at all."""
        about = {
            "clips": _CLIPS.dump_json(self.clips).decode(),
            "classes": json.dumps(self.classes),
            "model": self.model,
            "num_clips": str(self.num_clips),
        }
        arrays = {"features": self.features, "labels": self.labels}
        with atomic_path(path) as temporary:
            save_file(arrays, temporary, metadata=about)

    @classmethod
    def load(cls, path: Path) -> ClipFeatures:
        """Reads what `save` wrote.

        Raises:
            DataError: When the file is missing, damaged, or holds something else.
        """
        try:
            with safe_open(path, framework="np") as file:
                about = file.metadata() or {}
                return cls(
                    file.get_tensor("features"),
                    _CLIPS.validate_json(about["clips"]),
                    tuple(json.loads(about["classes"])),
                    about["model"],
                    int(about["num_clips"]),
                )
        except FileNotFoundError:
            raise DataError(f"{path} does not exist.") from None
        except (SafetensorError, KeyError, ValueError) as error:
            raise DataError(
                f"{path} holds no features of clips ({error!r}); make them with "
                "`python -m action.evaluate` or `python -m action.retrieve`."
            ) from None


@dataclass(frozen=True)
class ClipSource:
    """Some clips of a data set; what is not said is the run's own."""

    split: Literal["train", "valid", "test"] = "test"
    """Which clips of the protocol."""
    data: DataName | None = None
    """Which data set."""
    root: Path | None = None
    """Its folder; data/<name> for another data set than the run's."""
    protocol: str | None = None
    """How its clips are split."""
    features: Path | None = None
    """A file of features, instead of all that."""


def fingerprint(checkpoint: Path) -> str:
    """Tells one checkpoint's weights from another's."""
    return hashlib.sha256(checkpoint.read_bytes()).hexdigest()[:16]


def load_recognizer(run: Path, checkpoint: Checkpoint, data: ActionData) -> ClipRecognizer:
    """The model of a run with its trained weights, in evaluation mode, on a GPU where there is one.

    Raises:
        CheckpointError: When the checkpoint is missing or of another model.
    """
    recognizer = ClipRecognizer(ActionConfig.load(run), data)
    load_checkpoint(checkpoint_path(run, checkpoint), recognizer.model)
    recognizer.model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    return recognizer


def clip_features(
    run: Path,
    source: ClipSource,
    checkpoint: Checkpoint = "best",
    num_clips: int = 1,
    progress: bool = True,
) -> ClipFeatures:
    """Features of clips by a run's model: those on disk, where they are of these weights.

    Raises:
        DataError: When the run, the data or the file of features cannot be read.
        CheckpointError: When the run's checkpoint cannot be used.
    """
    if source.features is not None:
        return ClipFeatures.load(source.features)
    config = ActionConfig.load(run)
    own = open_data(config)
    data = _opened(config, own, source)
    clips = usable(data.parts[source.split], config)
    if not clips:
        raise DataError(f"{data.clip_set.root} has no {source.split} clips under {data.protocol}.")
    recognizer = load_recognizer(run, checkpoint, own)
    model = fingerprint(checkpoint_path(run, checkpoint))
    path = _stored_at(run, own, data, source.split)
    if (stored := _stored(path, clips, model, num_clips)) is not None:
        logger.info("features of %d clips are in %s", len(clips), path)
        return stored
    # Another data set has a stride of its own; the model has its number of frames.
    sample = sample_config(config, data.clip_set)
    recognizer.sample = replace(sample, frames=recognizer.sample.frames)
    title = f"{run.name} {source.split}" if progress else None
    features = recognizer.recognize(clips, num_clips, title)[1]
    found = ClipFeatures(features, clips, data.classes, model, num_clips)
    found.save(path)
    return found


def features_path(run: Path, protocol: str, split: str) -> Path:
    """Where the features of a run's own data set are stored."""
    return run / "evaluation" / f"{protocol}_{split}.safetensors"


def _opened(config: ActionConfig, own: ActionData, source: ClipSource) -> ActionData:
    if source.data is None and source.root is None and source.protocol is None:
        return own
    if source.data is None and source.root is None:
        return open_data(replace(config, protocol=source.protocol))
    # Nothing is trained on it, so that nothing need be held out.
    return open_all_data(
        replace(
            config,
            data=source.data or config.data,
            root=source.root,
            protocol=source.protocol,
            lists=None,
            test_subjects=None,
        )
    )


def _stored_at(run: Path, own: ActionData, data: ActionData, split: str) -> Path:
    path = features_path(run, data.protocol, split)
    root = data.clip_set.root.resolve()
    if root == own.clip_set.root.resolve():
        return path
    # Two folders of one name are two data sets.
    digest = hashlib.sha256(str(root).encode()).hexdigest()[:6]
    return path.with_name(f"{root.name}-{digest}_{path.name}")


def _stored(
    path: Path, clips: Sequence[ClipInfo], model: str, num_clips: int
) -> ClipFeatures | None:
    if not path.exists():
        return None
    stored = ClipFeatures.load(path)
    same = (stored.clips, stored.model, stored.num_clips) == (tuple(clips), model, num_clips)
    return stored if same else None
