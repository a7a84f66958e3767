"""The losses of each recogniser beside that of the classes: on poses, and on earlier networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from action.config import ActionConfig, InductionConfig
from action.models.glimpse_losses import ABSENT, glimpse_loss, pose_loss
from action.models.vpn import vpn_loss
from action.models.vpnpp import pose_pairs, vpnpp_loss
from action.recognizer import ClipRecognizer
from align.paat import mean_pose_loss

Batch = Mapping[str, Tensor]
Logs = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Objective:
    """Cross-entropy alone, which most models learn from.

    Attributes:
        networks: Networks of earlier stages by the stage's name, frozen, in evaluation mode.
    """

    networks: Mapping[str, nn.Module]

    def beside(self, batch: Batch) -> tuple[Tensor, ...]:
        """The inputs that the model takes in training alone."""
        return ()

    def total(self, recognition: Tensor, output: Any, batch: Batch) -> tuple[Tensor, Logs]:
        """The loss, and its parts to log.

        Args:
            recognition: Cross-entropy of the logits.
            output: What the model returns beside its logits.
            batch: The batch.
        """
        return recognition, {}

    @torch.no_grad()
    def _ask(self, name: str, *inputs: Tensor) -> Any:
        """The output of an earlier network beside its logits, and where that network lies."""
        return self.networks[name].to(inputs[0].device)(*inputs)


class VpnObjective(Objective):
    """VPN's loss."""

    def total(self, recognition: Tensor, output: Any, batch: Batch) -> tuple[Tensor, Logs]:
        """See `vpn_loss`."""
        return vpn_loss(output, batch["label"]), {}


class VpnppObjective(Objective):
    """VPN++'s student learns the teacher's attention, and to tell its pose from another clip's."""

    def beside(self, batch: Batch) -> tuple[Tensor, ...]:
        """The features of the poses."""
        return (self._ask("pose", batch["joints"])[1].embedding,)

    def total(self, recognition: Tensor, output: Any, batch: Batch) -> tuple[Tensor, Logs]:
        """See `vpnpp_loss`."""
        _, teacher = self._ask("teacher", batch["frames"], batch["joints"])
        pairs = pose_pairs(output.pose)
        total, contrast = vpnpp_loss(output.student, teacher, pairs, batch["label"])
        return total, {"contrastive": contrast}


class MmnetObjective(Objective):
    """The network on pictures learns from its own scores, not from the sum."""

    def total(self, recognition: Tensor, output: Any, batch: Batch) -> tuple[Tensor, Logs]:
        """Cross-entropy of the network on pictures."""
        return F.cross_entropy(output.rgb.float(), batch["label"]), {}


class GlimpseCnnObjective(Objective):
    """Classes, and a tenth of the poses."""

    def total(self, recognition: Tensor, output: Any, batch: Batch) -> tuple[Tensor, Logs]:
        """Cross-entropy and the pose loss."""
        pose = pose_loss(output.pose, skeletons_of(batch))
        return recognition + 0.1 * pose, {"pose": pose}


class GlimpseObjective(Objective):
    """Classes, a tenth of the poses, and where glimpses lie."""

    def total(self, recognition: Tensor, output: Any, batch: Batch) -> tuple[Tensor, Logs]:
        """See `glimpse_loss`."""
        total, pose = glimpse_loss(output, skeletons_of(batch), batch["label"])
        return total, {"pose": pose}


@dataclass(frozen=True, eq=False)
class Induction(Objective):
    """3D-SIM: the tokens learn the features of a network on joints.

    Attributes:
        weights: Weights of its two losses.
    """

    weights: InductionConfig

    def total(self, recognition: Tensor, output: Any, batch: Batch) -> tuple[Tensor, Logs]:
        """Cross-entropy, the distance of the features, and cross-entropy of what they tell."""
        feature = self._ask("pose", batch["joints"])[1].embedding
        apart = F.mse_loss(output.skeleton.float(), feature.float())
        classes = F.cross_entropy(output.skeleton_logits.float(), batch["label"])
        total = recognition + self.weights.align * apart + self.weights.classify * classes
        return total, {"skeleton": apart, "skeleton_recognition": classes}


_OF_MODEL: dict[str, type[Objective]] = {
    "vpn": VpnObjective,
    "vpnpp": VpnppObjective,
    "mmnet": MmnetObjective,
    "glimpse_cnn": GlimpseCnnObjective,
    "glimpse_clouds": GlimpseObjective,
}


def objective_of(config: ActionConfig, networks: Mapping[str, nn.Module]) -> Objective:
    """The losses of a run, without that of PAAT.

    Args:
        config: The run's options.
        networks: Networks of its earlier stages by name.
    """
    if config.uses_3d:
        return Induction(networks, config.induction)
    return _OF_MODEL.get(config.model, Objective)(networks)


def training_loss(
    recognizer: ClipRecognizer, objective: Objective, model: nn.Module, batch: Batch, seed: int
) -> tuple[Float[Tensor, ""], Logs]:
    """The model's own loss, most often cross-entropy, plus PAAT's (paper Eq. 8).

    Args:
        recognizer: Makes the model's inputs and pose maps of a batch.
        objective: The model's own losses beside cross-entropy.
        model: The recogniser's model, which may be wrapped for several processes.
        batch: The batch.
        seed: Seed of the pose maps.

    Returns:
        The loss, and its parts and the accuracy to log.
    """
    config, labels = recognizer.config, batch["label"]
    beside = objective.beside(batch)
    logits, output = model(*recognizer.inputs(batch, seed), *beside)
    recognition = F.cross_entropy(logits.float(), labels)
    total, parts = objective.total(recognition, output, batch)
    logs = {"recognition": recognition, "accuracy": _accuracy(logits, labels), **parts}
    if config.uses_paat:
        target = recognizer.pose_map(batch, seed)
        paat = mean_pose_loss(output.pose_logits, target, config.paat_loss.reduction)
        total = total + config.paat_loss.weight * paat
        logs["paat"] = paat
    return total, logs


def _accuracy(
    logits: Float[Tensor, "batch classes"], labels: Int[Tensor, " batch"]
) -> Float[Tensor, ""]:
    return (logits.argmax(dim=1) == labels).float().mean()


def skeletons_of(batch: Batch) -> Float[Tensor, "batch frames 2 joints 2"]:
    """Joints of two persons from -1 to 1, as Glimpse Clouds learns them.

    A joint that is missing lies amid the person's others. An absent second person has -1
    everywhere; of a first one, who is taken to be there, all joints lie in the middle.
    """
    points, side = batch["keypoints"], batch["frames"].shape[-1]
    persons = points if points.ndim == 5 else points.unsqueeze(2)
    scaled = (2 * persons / side - 1).clamp(-1, 1)
    known = scaled.isfinite().all(dim=-1, keepdim=True)
    filled = torch.where(known, scaled, 0)
    count = known.sum(dim=3, keepdim=True)
    filled = torch.where(known, filled, filled.sum(dim=3, keepdim=True) / count.clamp_min(1))
    first, absent = filled[:, :, :1], torch.full_like(filled[:, :, :1], ABSENT)
    if persons.shape[2] == 1:
        return torch.cat([first, absent], dim=2)
    return torch.cat([first, torch.where(count[:, :, 1:] > 0, filled[:, :, 1:], absent)], dim=2)
