"""Action recognition as a task of the training loop: model, batches, losses, validation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from action.clips import TrainingClips, open_data, usable
from action.config import ActionConfig
from action.evaluation import recognition_metrics
from action.model import Classifier, ClipClassifier
from action.models.features import FeatureNetwork, load_features
from action.models.registry import architecture, modality
from action.models.vpn import VpnOutput, vpn_loss
from action.plan import LearnedClips, RecognizerPlan
from action.recognizer import ClipRecognizer
from action.starting import carried_over
from action.timesformer import TimeSformer
from action.weights import load_pretrained
from align.engine.loading import reading_processes
from align.engine.origin import DataRecord, Origin
from align.engine.starting import CarriedOver
from align.paat import mean_pose_loss
from datasets.clips.identity import clip_seals
from datasets.errors import OptionError


class ActionTask:
    """Trains a classifier of clips with cross-entropy, and PAAT's loss where there is PAAT.

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
        if config.whiten and config.batch.clips // config.optim.accumulate < 2:
            raise OptionError(
                "whitening takes statistics over the clips that pass through the model together, "
                "two or more: raise --batch.clips, lower --optim.accumulate, or use --no-whiten."
            )
        self.config = config
        self.data = data = open_data(config)
        self.train = usable(data.parts["train"], config)
        self.valid = usable(data.parts["valid"], config) if data.parts["valid"] else ()
        self.metric = "class_error" if self.valid else "steps_to_go"
        self.recognizer = ClipRecognizer(RecognizerPlan.new(config, LearnedClips.of(data)))
        if pretrained and config.backbone.weights is not None:
            _load_weights(self.model, config.backbone.weights)
        self.steps_per_epoch = max(1, round(len(self.train) / config.batch.clips))
        self._steps_done = 0

    @property
    def model(self) -> Classifier:
        """The classifier."""
        return self.recognizer.model

    def _samples(self, length: int) -> TrainingClips:
        recognizer, seed = self.recognizer, self.config.seed
        return TrainingClips(self.train, recognizer.sample, length, seed, recognizer.joints)

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
        """The parameters, all of which learn from one loss."""
        return [list(self.model.parameters())]

    def seen(self, step: int) -> str:
        """The videos of a step's batch."""
        count = self.config.batch.clips
        samples = self._samples((step + 1) * count)
        return ", ".join(str(samples.clip_of(step * count + i).video) for i in range(count))

    def loss(
        self, model: nn.Module, batch: Mapping[str, Tensor], step: int
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Cross-entropy plus, with its weight, PAAT's (paper Eq. 8); VPN has a loss of its own."""
        config = self.config
        seed = config.seed + step
        self._steps_done = step + 1
        logits, output = model(*self.recognizer.inputs(batch, seed))
        total = recognition = F.cross_entropy(logits.float(), batch["label"])
        logs = {"recognition": recognition, "accuracy": _accuracy(logits, batch["label"])}
        if config.uses_paat:
            target = self.recognizer.pose_map(batch, seed)
            paat = mean_pose_loss(output.pose_logits, target, config.paat_loss.reduction)
            total = total + config.paat_loss.weight * paat
            logs["paat"] = paat
        if isinstance(output, VpnOutput):
            total = vpn_loss(output, batch["label"])
        return total, logs

    def origin(self, run: Path) -> Origin:
        """The data set of a run in this folder, and the clips that it learns from."""
        data = self.data
        record = DataRecord.of(data.clip_set.root, data.digest, run)
        return Origin({"root": record}, clip_seals(self.train))

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
        clips = f"{len(self.train)} clips to train on, {len(self.valid)} to validate on"
        millions = sum(parameter.numel() for parameter in self.model.parameters()) / 1e6
        sample, title = self.recognizer.sample, architecture(config.model).title
        backbone = config.backbone
        blocks = f", {backbone.depth} blocks of width {backbone.dim}" * config.is_transformer
        pixels = f" of {sample.size} x {sample.size} pixels" * config.sees_pixels
        return {
            "data": f"{data.clip_set.root} ({config.data}, {data.protocol}): {clips}",
            "classes": str(len(data.classes)),
            "model": f"{config.method}: {title}{blocks}, {sample.frames} frames{pixels}, "
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


def _load_weights(model: Classifier, path: Path) -> None:
    """Loads published weights.

    Raises:
        OptionError: For a network of which none can be read.
    """
    if not isinstance(model, ClipClassifier):
        raise OptionError("--backbone.weights fits networks that see RGB alone: leave it out.")
    if isinstance(model.backbone, FeatureNetwork):
        load_features(model.backbone, path)
    else:
        load_pretrained(cast(TimeSformer, model.backbone.backbone), path)


def _accuracy(
    logits: Float[Tensor, "batch classes"], labels: Int[Tensor, " batch"]
) -> Float[Tensor, ""]:
    return (logits.argmax(dim=1) == labels).float().mean()
