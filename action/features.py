"""Features of clips, computed once by a run and stored with the clips that they belong to."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.numpy import save_file

from action.config import ActionConfig, ClipSource
from action.evaluation import evaluation_name
from action.inputs.clips import (
    ActionData,
    data_root,
    open_data,
    open_other_data,
    open_own_data,
    usable,
)
from action.recognizer import ClipRecognizer, require_finite
from align.engine.checkpoint import read_state
from align.engine.run_folder import Checkpoint, RunFolder
from align.engine.tensor_files import as_system_errors, open_tensors
from datasets.clips.base import ClipInfo
from datasets.errors import DamagedDataError, DataError, MissingDataError
from datasets.storage.atomic import atomic_path

logger = logging.getLogger(__name__)

_CLIPS = TypeAdapter(tuple[ClipInfo, ...])


@dataclass(frozen=True)
class ClipFeatures:
    """Features of clips.

    Attributes:
        features: One vector for each clip.
        clips: The clips.
        classes: Names of the classes, in the order of the labels.
        model: Identifies the weights that computed the features, see `fingerprint`.
        num_clips: Samples of each clip; a feature is the mean over them.
    """

    features: Float[np.ndarray, "clips dim"]
    clips: tuple[ClipInfo, ...]
    classes: tuple[str, ...]
    model: str
    num_clips: int

    @property
    def labels(self) -> Int[np.ndarray, " clips"]:
        """The class of each clip, an index into `classes`."""
        return np.array([clip.label for clip in self.clips], np.int64)

    def save(self, path: Path) -> None:
        """Writes the features, whole or not at all."""
        about = {
            "clips": _CLIPS.dump_json(self.clips).decode(),
            "classes": json.dumps(self.classes),
            "model": self.model,
            "num_clips": str(self.num_clips),
        }
        arrays = {"features": self.features, "labels": self.labels}
        with atomic_path(path) as temporary, as_system_errors(temporary):
            save_file(arrays, temporary, metadata=about)

    @classmethod
    def load(cls, path: Path) -> ClipFeatures:
        """Reads what `save` wrote.

        Raises:
            DataError: When the file is missing, damaged, or holds something else.
        """
        try:
            with open_tensors(path, "np") as file:
                about = file.metadata() or {}
                return cls(
                    file.get_tensor("features"),
                    _CLIPS.validate_json(about["clips"]),
                    tuple(json.loads(about["classes"])),
                    about["model"],
                    int(about["num_clips"]),
                )
        except FileNotFoundError:
            raise MissingDataError(f"{path} does not exist.") from None
        except (SafetensorError, KeyError, ValueError) as error:
            raise DamagedDataError(
                f"{path} holds no features of clips ({error!r}); make them with "
                "`python -m action.evaluate` or `python -m action.retrieve`."
            ) from None


def fingerprint(checkpoint: Path) -> str:
    """A hash of a checkpoint's bytes, which identifies its weights.

    Raises:
        CheckpointError: When there is no such checkpoint, or it is truncated.
    """
    read_state(checkpoint)
    return hashlib.sha256(checkpoint.read_bytes()).hexdigest()[:16]


def clip_features(
    run: Path,
    source: ClipSource,
    checkpoint: Checkpoint = "best",
    num_clips: int = 1,
    progress: bool = True,
    root: Path | None = None,
) -> ClipFeatures:
    """Features of clips by a run's model; stored ones are used where the weights are the same.

    Args:
        run: The run's folder.
        source: The clips.
        checkpoint: best: lowest validation error; last: the end of training.
        num_clips: Samples of each clip.
        progress: Whether to show a progress bar.
        root: Where the run's own data set lies now; by default where the run finds it.

    Raises:
        DataError: When the run, the data or the file of features cannot be read.
        CheckpointError: When the run's checkpoint cannot be used.
    """
    if source.features is not None:
        return ClipFeatures.load(source.features)
    config = ActionConfig.load(run)
    data = _opened(run, config, source, root)
    if not data.parts[source.split]:
        raise MissingDataError(
            f"{data.clip_set.root} has no {source.split} clips under {data.protocol}; choose "
            "another split."
        )
    clips = usable(data.parts[source.split], config)
    model = fingerprint(RunFolder(run).checkpoint(checkpoint))
    path = _stored_at(run, config, data, source)
    if (stored := _stored(path, clips, model, num_clips)) is not None:
        logger.info("features of %d clips are in %s", len(clips), path)
        return stored
    recognizer = ClipRecognizer.load(run, checkpoint, root=root)
    recognizer.sample_as(data.clip_set.format)
    title = f"{run.name} {source.split}" if progress else None
    logits, features = recognizer.recognize(clips, num_clips, title)
    require_finite(logits, clips)
    found = ClipFeatures(features, clips, data.classes, model, num_clips)
    found.save(path)
    return found


def _opened(run: Path, config: ActionConfig, source: ClipSource, root: Path | None) -> ActionData:
    if not source.is_own:
        return open_other_data(config, source.data, source.root, source.protocol)
    own = open_own_data(run, config, root)
    if source.protocol is None:
        return own
    moved = replace(config, root=own.clip_set.root, protocol=source.protocol)
    return open_data(moved, own.clip_set)


def _stored_at(run: Path, config: ActionConfig, data: ActionData, source: ClipSource) -> Path:
    path = RunFolder(run).features(evaluation_name(data.protocol, source.split))
    root = data.clip_set.root.resolve()
    if source.is_own or root == data_root(config).resolve():
        return path
    # The hash tells apart two data sets whose folders have the same name.
    digest = hashlib.sha256(str(root).encode()).hexdigest()[:6]
    return path.with_name(f"{root.name}-{digest}_{path.name}")


def _stored(
    path: Path, clips: Sequence[ClipInfo], model: str, num_clips: int
) -> ClipFeatures | None:
    if not path.exists():
        return None
    try:
        stored = ClipFeatures.load(path)
    except DataError as error:
        logger.warning("%s They are computed again.", error)
        return None
    same = (stored.clips, stored.model, stored.num_clips) == (tuple(clips), model, num_clips)
    return stored if same else None
