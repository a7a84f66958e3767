"""A trained run as a function from clips to classes and features."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.data import DataLoader

from action.config import ActionConfig
from action.inputs.batches import TestingClips
from action.inputs.clips import ActionData, open_own_data
from action.inputs.joints import joint_graph, joint_sampling
from action.model import build_classifier
from action.models.registry import architecture
from action.models.trajectory import tubelet_map
from action.plan import LearnedClips, RecognizerPlan
from align.engine.checkpoint import is_described, load_trained, read_about, weights_of
from align.engine.loading import reading_batches, reading_processes
from align.engine.run_folder import Checkpoint
from align.pose import pose_map_2d, pose_map_3d
from datasets.clips.base import ClipFormat, ClipInfo
from datasets.clips.samples import name_coinciding
from datasets.clips.sets import get_format
from datasets.errors import FormatError, MismatchError, counted
from datasets.progress import ProgressBar

logger = logging.getLogger(__name__)

# Axes of keypoints: batch, frame, person, keypoint, x and y. Those of one person have no person's.
_WITH_PERSONS = 5
# What a network takes to its name in a batch.
_NAMES = {"clips": "frames", "joints": "joints", "pictures": "pictures"}


class ClipRecognizer:
    """A run's model, and how clips and pose maps get into it."""

    def __init__(self, plan: RecognizerPlan) -> None:
        """Builds the model.

        Raises:
            OptionError: When options of the model do not fit each other.
        """
        self.plan, self.config, self.sample = plan, plan.config, plan.sample
        self.joints = joint_sampling(plan.config, self.sample)
        keypoints, classes = len(plan.learned.skeleton), len(plan.learned.classes)
        graph = joint_graph(get_format(plan.learned.format))
        self.model = build_classifier(
            plan.config, self.sample.frames, keypoints, classes, plan.normalisation, graph
        )

    @classmethod
    def load(
        cls,
        run: Path | str,
        checkpoint: Checkpoint = "best",
        device: torch.device | str | None = None,
        root: Path | str | None = None,
    ) -> ClipRecognizer:
        """The recogniser of a trained run, in evaluation mode; no data set is needed.

        Args:
            run: A folder made by `action.train`, or one of its checkpoints.
            checkpoint: Which one of a folder; best: lowest validation error; last: the end of
                training.
            device: Device to move the model to; by default the GPU where there is one.
            root: Where the run's data set lies now. Only checkpoints of earlier versions, which do
                not describe their data, need it.

        Raises:
            DataError: When the folder is no run. For a checkpoint of an earlier version, also when
                its data set cannot be read.
            CheckpointError: When the checkpoint is missing, truncated or of another model.
        """
        run = Path(run)
        recognizer = cls(_stored_plan(run, checkpoint, None if root is None else Path(root)))
        load_trained(recognizer.model, run, checkpoint, device)
        return recognizer

    def sample_as(self, fmt: ClipFormat) -> None:
        """Samples clips of another format from here on: at its stride, in the model's frames.

        Raises:
            MismatchError: When the model sees joints, and the format has others.
        """
        own = get_format(self.plan.learned.format)
        if self.joints is not None and fmt.joint_skeleton != own.joint_skeleton:
            raise MismatchError(
                f"{self.config.model} has learned the joints of {own.title}, and those of "
                f"{fmt.title} are others: measure it on clips in the form of {own.title}."
            )
        self.sample = self.plan.sample_as(fmt)

    def with_own_labels(self, data: ActionData, run: Path) -> ActionData:
        """Clips to measure on, labelled by the model's classes, whose names decide.

        Raises:
            MismatchError: When the clips are of other classes.
        """
        known = self.plan.learned
        if sorted(data.classes) != sorted(known.classes):
            raise MismatchError(
                f"{run} was trained on the {len(known.classes)} classes of {known.protocol}, "
                f"but {data.protocol} of {data.clip_set.root} has {len(data.classes)} other "
                "classes. Search among its clips with action.retrieve, or train on them from this "
                "run's weights: action.train --init."
            )
        return data.labelled_by(known.classes)

    def inputs(self, batch: Mapping[str, Tensor], seed: int) -> tuple[Tensor | None, ...]:
        """The model's inputs at inference: frames, joints or both, and PAAB's maps."""
        given = [batch[_NAMES[kind]] for kind in architecture(self.config.model).inputs]
        return (*given, self.given_map(batch, seed)) if self.config.uses_paab else tuple(given)

    def pose_map(
        self, batch: Mapping[str, Tensor], seed: int
    ) -> Bool[Tensor, "batch frames patches keypoints"]:
        """P3D maps of a batch's keypoints; a frame without a pose has an empty map.

        The frames of the map are the model's: a tubelet is one. A keypoint of two persons is marked
        in both places.
        """
        return self._pose_map(pose_map_3d, batch, seed)

    def given_map(
        self, batch: Mapping[str, Tensor], seed: int
    ) -> Bool[Tensor, "batch frames patches"] | None:
        """P2D maps, which PAAB is given; None without PAAB."""
        return self._pose_map(pose_map_2d, batch, seed) if self.config.uses_paab else None

    def _pose_map(
        self, make: Callable[..., Bool[Tensor, "batch ..."]], batch: Mapping[str, Tensor], seed: int
    ) -> Bool[Tensor, "batch ..."]:
        size = (self.sample.size, self.sample.size)
        generator = torch.Generator(batch["frames"].device).manual_seed(seed)
        patch, options = self.config.backbone.patch_size, asdict(self.config.pose_map)
        keypoints, visible = batch["keypoints"], batch["visible"]
        pose_map = make(keypoints, size, patch, visible, generator=generator, **options)
        if keypoints.ndim == _WITH_PERSONS:
            pose_map = pose_map.any(dim=2)
        return tubelet_map(pose_map, self.config.backbone.tubelet)

    @torch.no_grad()
    def recognize(
        self,
        clips: Sequence[ClipInfo],
        num_clips: int = 1,
        progress: str | None = None,
        workers: int | None = None,
    ) -> tuple[Float[np.ndarray, "clips samples classes"], Float[np.ndarray, "clips dim"]]:
        """Logits of every sample of every clip, and each clip's feature, the mean of its samples'.

        The model is used in the mode it is in; evaluation mode is the caller's to set.

        Args:
            clips: The clips.
            num_clips: Samples of each, spread over its time.
            progress: What to write before a progress bar; None draws none.
            workers: Processes that read clips; those of the run by default.
        """
        if self.config.sees_clips and (same := name_coinciding(clips, self.sample, num_clips)):
            logger.warning("%s", same)
        device = next(self.model.parameters()).device
        loader = DataLoader(
            TestingClips(clips, self.sample, num_clips, self.joints),
            batch_size=self.config.batch.clips,
            num_workers=reading_processes(self.config.workers if workers is None else workers),
        )
        logits, features = [], []
        hidden = progress is None
        bar = ProgressBar(loader, progress, unit="batch", disable=hidden, leave=False)
        with reading_batches():
            for number, batch in enumerate(bar):
                batch = {name: value.to(device) for name, value in batch.items()}
                scores, output = self.model(*self.inputs(batch, self.config.seed + number))
                logits.append(scores.float().cpu().numpy())
                features.append(output.embedding.float().cpu().numpy())
        scores = np.concatenate(logits)
        features = np.concatenate(features)
        return (
            scores.reshape(len(clips), num_clips, -1),
            features.reshape(len(clips), num_clips, -1).mean(axis=1),
        )


def require_finite(
    logits: Float[np.ndarray, "clips samples classes"], clips: Sequence[ClipInfo]
) -> None:
    """Checks that the scores of clips are numbers, so that there is a largest.

    Raises:
        FormatError: When some are not; names a clip.
    """
    bad = np.flatnonzero(~np.isfinite(logits).all(axis=(1, 2)))
    if len(bad):
        clip = clips[int(bad[0])]
        raise FormatError(
            f"the scores of {len(bad)} of {counted(len(clips), 'clip')} are not finite numbers, "
            f"such as of {clip.video}: check the poses in {clip.joints or clip.skeleton}, or leave "
            "its clip out."
        )


def _stored_plan(run: Path, checkpoint: Checkpoint, root: Path | None) -> RecognizerPlan:
    """The plan of a trained run, from its checkpoint or, in earlier versions, its data set."""
    weights = weights_of(run, checkpoint)
    if run.is_file():
        return RecognizerPlan.stored(read_about(weights), weights)
    config = ActionConfig.load(run)  # first, since its error names a folder that is no run
    about = read_about(weights)
    if not is_described(about):
        return RecognizerPlan(config, LearnedClips.of(open_own_data(run, config, root)))
    stored = RecognizerPlan.stored(about, weights)
    stored.require_of(config, weights)
    return RecognizerPlan(config, stored.learned, stored.normalisation)
