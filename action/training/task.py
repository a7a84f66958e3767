"""Action recognition as a task of the training loop: model, batches, losses, validation."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from action.config import ActionConfig
from action.evaluation import recognition_metrics
from action.inputs.batches import TrainingClips
from action.inputs.clips import ActionData, open_data, usable
from action.inputs.joints import joint_sampling
from action.model import Classifier, ClipClassifier, StagedClassifier
from action.models.features import FeatureNetwork, load_features
from action.models.inflated_resnet import inflated_weights
from action.models.registry import architecture, modality
from action.models.staged_model import (
    GlimpseClassifier,
    GlimpseCnnClassifier,
    MmnetClassifier,
)
from action.plan import LearnedClips, RecognizerPlan
from action.recognizer import ClipRecognizer
from action.timesformer import TimeSformer
from action.training.objectives import Objective, objective_of, training_loss
from action.training.starting import carried_over
from action.weights import load_pretrained
from align.engine.loading import reading_processes
from align.engine.origin import DataRecord, Origin
from align.engine.starting import CarriedOver
from datasets.clips.checks import SHOWN
from datasets.clips.identity import clip_seals
from datasets.errors import OptionError, counted, shortened

log = logging.getLogger(__name__)


class ActionTask:
    """Trains a classifier of clips with its objective, and PAAT's loss where there is PAAT.

    Without clips to validate on, each validation is better than the one before: what is chosen by
    it is the end of training.
    """

    def __init__(self, config: ActionConfig, pretrained: bool = True) -> None:
        """Opens the data and builds the model.

        Args:
            config: The run's options.
            pretrained: Whether to load the weights to start from, where the options name any.

        Raises:
            DataError: Before anything is trained, when too many clips cannot be used.
            CheckpointError: When the weights to start from cannot be used.
            OptionError: When options do not fit each other.
        """
        _require_several_clips(config)
        self.config = config
        self.data = data = open_data(config)
        # Before all clips are read, which takes long: options and weights may not fit the model.
        self.recognizer = ClipRecognizer(RecognizerPlan.new(config, LearnedClips.of(data)))
        self.joints = joint_sampling(config, self.recognizer.sample, learning=True)
        self._networks: Mapping[str, Classifier] = {}
        if pretrained and config.backbone.weights is not None:
            _load_weights(self.model, config.backbone.weights)
        _name_unlearned(data)
        self.train = usable(data.parts["train"], config, learning=True)
        self.valid = usable(data.parts["valid"], config) if data.parts["valid"] else ()
        self.metric = "class_error" if self.valid else "steps_to_go"
        self.steps_per_epoch = max(1, round(len(self.train) / config.batch.clips))
        self._steps_done = 0

    @property
    def model(self) -> Classifier:
        """The classifier."""
        return self.recognizer.model

    @cached_property
    def objective(self) -> Objective:
        """The losses of the model."""
        return objective_of(self.config, self._networks)

    def learn_from(self, networks: Mapping[str, Classifier]) -> None:
        """Takes over what the run's stages have learned.

        Args:
            networks: The network of each stage by the stage's name, see `network_of`.
        """
        self._networks = networks
        if isinstance(self.model, StagedClassifier):
            self.model.take(self._networks)
        if isinstance(self.model, GlimpseClassifier):
            self.model.measure_by(next(iter(self.loader(0, 1)))["frames"])

    def _samples(self, length: int) -> TrainingClips:
        sample = self.recognizer.sample
        return TrainingClips(self.train, sample, length, self.config.seed, self.joints)

    def loader(self, start_step: int, stop_step: int) -> DataLoader:
        """Batches of the steps start_step … stop_step - 1."""
        clips = self.config.batch.clips
        return DataLoader(
            Subset(self._samples(stop_step * clips), range(start_step * clips, stop_step * clips)),
            batch_size=clips,
            num_workers=reading_processes(self.config.workers),
            pin_memory=torch.cuda.is_available(),
        )

    def learners(self) -> list[list[nn.Parameter]]:
        """The parameters, all of which learn from one loss, but for frozen ones."""
        return [list(self.model.parameters())]

    def seen(self, step: int) -> str:
        """The videos of a step's batch."""
        count = self.config.batch.clips
        samples = self._samples((step + 1) * count)
        return ", ".join(str(samples.clip_of(step * count + i).video) for i in range(count))

    def loss(
        self, model: nn.Module, batch: Mapping[str, Tensor], step: int
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """See `training_loss`."""
        self._steps_done = step + 1
        return training_loss(self.recognizer, self.objective, model, batch, self.config.seed + step)

    def origin(self, run: Path) -> Origin:
        """The data set of a run in this folder, and the clips that it learns from.

        What it learns from a finished run, it learns from that run's clips.
        """
        data = self.data
        record = DataRecord.of(data.clip_set.root, data.digest, run)
        learned = dict(clip_seals(self.train))
        for given in self.config.stages.runs:
            if (origin := Origin.load(given)) is not None:
                learned |= {f"{given}: {clip}": seal for clip, seal in origin.learned.items()}
        return Origin({"root": record}, learned)

    def carry_over(self, weights: Mapping[str, Tensor], about: Mapping[str, Any]) -> CarriedOver:
        """All but the classifier of other classes and PAAT's of other keypoints.

        The embeddings of places and times are resized for frames of another size or number.
        """
        return carried_over(self.recognizer, weights, about)

    def about(self) -> dict[str, Any]:
        """Facts that a checkpoint holds, from which the model is built without the data set."""
        return self.recognizer.plan.about()

    def describe(self) -> dict[str, str]:
        """Data set, protocol, method and model, a line each."""
        data, config = self.data, self.config
        clips = f"{counted(len(self.train), 'clip')} to train on, {len(self.valid)} to validate on"
        millions = sum(parameter.numel() for parameter in self.model.parameters()) / 1e6
        sample, title = self.recognizer.sample, architecture(config.model).title
        backbone = config.backbone
        blocks = (
            f", {counted(backbone.depth, 'block')} of width {backbone.dim}" * config.is_transformer
        )
        pixels = f" of {sample.size} x {sample.size} pixels" * config.sees_clips
        frames = sample.frames if config.sees_clips or self.joints is None else self.joints.frames
        return {
            "data": f"{data.clip_set.root} ({config.data}, {data.protocol}): {clips}",
            "classes": str(len(data.classes)),
            "model": f"{config.method}: {title}{blocks}, {frames} frames{pixels}, "
            f"{millions:.1f} M parameters",
            "sees": modality(config),
        }

    def validate(self) -> Mapping[str, float]:
        """Metrics on the validation clips, one sample each; without any, how far training is."""
        if not self.valid:
            return {self.metric: self.config.epochs * self.steps_per_epoch - self._steps_done}
        logits, _ = self.recognizer.recognize(self.valid)
        labels = np.array([clip.label for clip in self.valid])
        metrics = recognition_metrics(logits[:, 0], labels)
        return metrics | {self.metric: 1 - metrics["mean_class_accuracy"]}


def _require_several_clips(config: ActionConfig) -> None:
    """Refuses a single clip at a time where a model compares clips."""
    if config.batch.clips // config.optim.accumulate >= 2:
        return
    if config.whiten:
        raise OptionError(
            "whitening takes statistics over the clips that pass through the model together, "
            "two or more: raise --batch.clips, lower --optim.accumulate, or use --no-whiten."
        )
    if config.model == "vpnpp":
        raise OptionError(
            "VPN++ tells the pose of a clip from that of another one that passes through the model "
            "with it: raise --batch.clips, or lower --optim.accumulate."
        )


def _name_unlearned(data: ActionData) -> None:
    """Names the classes without training clips, which a run cannot learn to recognise."""
    learned = {clip.label for clip in data.parts["train"]}
    if lacking := [name for label, name in enumerate(data.classes) if label not in learned]:
        log.warning(
            "%d of %d classes have no training clips, and %d test clips are of them: %s",
            len(lacking),
            len(data.classes),
            sum(clip.label not in learned for clip in data.parts["test"]),
            shortened(lacking, SHOWN),
        )


def _load_weights(model: Classifier, path: Path) -> None:
    """Loads published weights.

    Raises:
        OptionError: For a network of which none can be read.
    """
    match model:
        case ClipClassifier(backbone=FeatureNetwork() as features):
            load_features(features.network, path)
        case ClipClassifier():
            load_pretrained(cast(TimeSformer, model.backbone.backbone), path)
        case MmnetClassifier():
            load_features(model.network.rgb.network, path)
        case GlimpseCnnClassifier() | GlimpseClassifier():
            load_features(model.network.trunk, path, inflated_weights)
        case _:
            raise OptionError(
                "--backbone.weights fits networks that see RGB alone, and the ResNets of mmnet and "
                "glimpse_clouds: leave it out."
            )
