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
from typing_extensions import Self

from action.models.graphs import NTU25, SkeletonGraph
from action.models.mmnet_roi import PICTURE_SIDE
from action.models.st_gcn import StGcn

# Head, right hand, left hand, right foot, left foot: the rows of the picture. Published for the
# Kinect's 25 joints and its 20 alike.
_ROW_JOINTS = (3, 11, 7, 18, 14)
_STRONGEST_STEPS = 15
# Half of 255: an average place keeps its pixels.
_NEUTRAL = 127


def bones_of(
    joints: Float[Tensor, "batch channels frames joints persons"], graph: SkeletonGraph = NTU25
) -> Float[Tensor, "batch channels frames joints persons"]:
    """Each joint minus its parent; the root's bone is zero."""
    return joints - joints[..., list(graph.parents), :]


def part_weights(
    features: Float[Tensor, "batch width steps joints persons"],
    strongest: int = _STRONGEST_STEPS,
    scale_over: Literal["clip", "batch"] = "clip",
    cut: bool = False,
    first_person: bool = False,
) -> Float[Tensor, "batch 5"]:
    """How strongly ST-GCN reacts to head, hands and feet, about 1 for an average place.

    Args:
        features: ST-GCN's last map.
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
    of_part = of_person[..., list(_ROW_JOINTS)]
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
        self.network: ResNet = resnet18(num_classes=num_classes)

    def forward(
        self,
        pictures: Float[Tensor, "batch 3 225 225"],
        weights: Float[Tensor, "batch 5"],
    ) -> Float[Tensor, "batch classes"]:
        """Logits of normalised pictures."""
        rows = weights.repeat_interleave(PICTURE_SIDE // weights.shape[1], dim=1)
        return self.network(pictures * rows[:, None, :, None])


class MmnetOutput(NamedTuple):
    """The summed scores, and those of each stream, which learns from them alone."""

    logits: Float[Tensor, "batch classes"]
    joints: Float[Tensor, "batch classes"]
    bones: Float[Tensor, "batch classes"]
    rgb: Float[Tensor, "batch classes"]


class Mmnet(nn.Module):
    """MMNet with ST-GCN as its networks on joints and on bones.

    A third ST-GCN, trained before and frozen, weighs the parts. It always runs as in evaluation:
    in the published loop its statistics drift.

    Args:
        num_classes: Classes.
        graph: The skeleton, a Kinect's.
    """

    def __init__(self, num_classes: int, graph: SkeletonGraph = NTU25) -> None:
        """Make the networks."""
        super().__init__()
        self.graph = graph
        self.joints, self.bones = StGcn(num_classes, graph), StGcn(num_classes, graph)
        self.rgb = RoiNetwork(num_classes)
        self.weigher = StGcn(num_classes, graph).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all networks but the frozen one."""
        super().train(mode)
        self.weigher.eval()
        return self

    def forward(
        self,
        pictures: Float[Tensor, "batch 3 225 225"],
        joints: Float[Tensor, "batch 3 frames joints persons"],
    ) -> MmnetOutput:
        """Scores of the three streams and their sum."""
        scores = (
            self.joints(joints),
            self.bones(bones_of(joints, self.graph)),
            self.rgb(pictures, part_weights(self.weigher.features(joints))),
        )
        return MmnetOutput(torch.stack(scores).sum(dim=0), *scores)
