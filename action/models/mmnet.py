"""MMNet: scores of a network on joints, one on bones, and one on crops that the joints weigh.

Yu et al., "MMNet: A Model-Based Multimodal Network for Human Action Recognition in RGB-D Videos",
T-PAMI 2022. `action.models.mmnet_roi` makes the crops.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models import ResNet, resnet18

from action.models.graphs import NTU25, SkeletonGraph, bones_of
from action.models.mmnet_roi import PICTURE_SIDE
from action.models.st_gcn import StGcn
from datasets.skeletons import get_skeleton

# The rows of the picture: head, right hand, left hand, right foot, left foot. Smarthome's
# skeleton, for which nothing is published, ends at the wrists.
_ROWS = (("head",), *((f"{side}_hand", f"{side}_wrist") for side in ("right", "left")))
_ROWS += tuple((f"{side}_ankle",) for side in ("right", "left"))
_STRONGEST_STEPS = 15
# Half of 255: an average place keeps its pixels.
_NEUTRAL = 127


def row_joints(graph: SkeletonGraph) -> list[int]:
    """The joint of each row of the picture; on a Kinect 3, 11, 7, 18 and 14, as published."""
    names = get_skeleton(graph.name).keypoints
    return [names.index(next(name for name in row if name in names)) for row in _ROWS]


def part_weights(
    features: Float[Tensor, "batch width steps joints persons"],
    graph: SkeletonGraph = NTU25,
    strongest: int = _STRONGEST_STEPS,
    scale_over: Literal["clip", "batch"] = "clip",
    cut: bool = False,
    first_person: bool = False,
) -> Float[Tensor, "batch 5"]:
    """How strongly ST-GCN reacts to head, hands and feet, about 1 for an average place.

    Args:
        features: ST-GCN's last map.
        graph: The skeleton.
        strongest: Steps over which the weight of a part is averaged.
        scale_over: What is scaled to 0 … 255. The published code scales a batch, so that a clip's
            weights depend on the other clips.
        cut: Cut weights to integers before the division, as the code does.
        first_person: Read the first person, as for N-UCLA, instead of the one who reacts most.
    """
    strength = features.norm(dim=1)
    dims = (0, 1, 2, 3) if scale_over == "batch" else (1, 2, 3)
    low, high = strength.amin(dims, keepdim=True), strength.amax(dims, keepdim=True)
    strength = 255 * (strength - low) / (high - low).clamp_min(torch.finfo(strength.dtype).tiny)
    acting = strength.mean(dim=(1, 2)).argmax(dim=1)
    acting = torch.zeros_like(acting) if first_person else acting
    of_person = strength[torch.arange(len(strength)), ..., acting]
    of_part = of_person[..., row_joints(graph)]
    weights = of_part.topk(min(strongest, of_part.shape[1]), dim=1).values.mean(dim=1)
    return (weights.trunc() if cut else weights) / _NEUTRAL


class RoiNetwork(nn.Module):
    """A ResNet-18 on the picture, whose parts are weighed.

    Args:
        num_classes: Classes.
    """

    def __init__(self, num_classes: int) -> None:
        """Make the network; weights of ImageNet are the caller's to load."""
        super().__init__()
        self.network: ResNet = resnet18()
        self.head = nn.Linear(self.network.fc.in_features, num_classes)
        self.network.fc = nn.Identity()  # type: ignore[assignment]

    def forward(
        self,
        pictures: Float[Tensor, "batch 3 225 225"],
        weights: Float[Tensor, "batch 5"],
    ) -> Float[Tensor, "batch classes"]:
        """Logits of normalised pictures."""
        return self.head(self.embed(pictures, weights))

    def embed(
        self,
        pictures: Float[Tensor, "batch 3 225 225"],
        weights: Float[Tensor, "batch 5"],
    ) -> Float[Tensor, "batch 512"]:
        """Features of normalised pictures."""
        rows = weights.repeat_interleave(PICTURE_SIDE // weights.shape[1], dim=1)
        return self.network(pictures * rows[:, None, :, None])


class MmnetOutput(NamedTuple):
    """The summed scores, those of each stream, which learns from them alone, and the features."""

    logits: Float[Tensor, "batch classes"]
    joints: Float[Tensor, "batch classes"]
    bones: Float[Tensor, "batch classes"]
    rgb: Float[Tensor, "batch classes"]
    embedding: Float[Tensor, "batch 1024"]


class Mmnet(nn.Module):
    """MMNet with ST-GCN as its networks on joints and on bones.

    These are trained before; the one on joints also weighs the parts, without a gradient.

    Args:
        num_classes: Classes.
        graph: The skeleton.
    """

    def __init__(self, num_classes: int, graph: SkeletonGraph = NTU25) -> None:
        """Make the networks."""
        super().__init__()
        self.graph = graph
        self.joints = StGcn(num_classes, graph)
        self.bones = StGcn(num_classes, graph)
        self.rgb = RoiNetwork(num_classes)

    def forward(
        self,
        pictures: Float[Tensor, "batch 3 225 225"],
        joints: Float[Tensor, "batch 3 frames joints persons"],
    ) -> MmnetOutput:
        """Scores of the three streams and their sum."""
        joint_map = self.joints.features(joints)
        weights = part_weights(joint_map.detach(), self.graph)
        of_joints = joint_map.mean(dim=(2, 3, 4))
        of_bones = self.bones.embed(bones_of(joints, self.graph))
        of_rgb = self.rgb.embed(pictures, weights)
        scores = self.joints.head(of_joints), self.bones.head(of_bones), self.rgb.head(of_rgb)
        embedding = torch.cat([of_joints, of_bones, of_rgb], dim=1)
        return MmnetOutput(sum(scores[1:], scores[0]), *scores, embedding=embedding)
