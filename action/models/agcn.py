"""2s-AGCN: graph convolutions whose graph is learned and also read from the features.

Shi et al., "Two-Stream Adaptive Graph Convolutional Networks for Skeleton-Based Action
Recognition", CVPR 2019. VPN++ uses its units.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn

from action.models.graphs import NTU25, SkeletonGraph

# Width and stride in time of each unit.
AGCN_UNITS = (*[(64, 1)] * 4, (128, 2), *[(128, 1)] * 2, (256, 2), *[(256, 1)] * 2)
# What is learned of the graph, and each unit's share beside its skip, start as good as absent.
_NEAR_ZERO = 1e-6


class AdaptivePart(nn.Module):
    """One part of the adjacency with its own similarity of joints and its own output map.

    Args:
        width_in: Channels of the input.
        width: Channels of the output.
    """

    def __init__(self, width_in: int, width: int) -> None:
        """Make the 1×1 maps."""
        super().__init__()
        self.theta = nn.Conv2d(width_in, width // 4, 1)
        self.phi = nn.Conv2d(width_in, width // 4, 1)
        self.out = nn.Conv2d(width_in, width, 1)

    def forward(
        self,
        x: Float[Tensor, "persons width_in frames joints"],
        edges: Float[Tensor, "joints joints"],
    ) -> Float[Tensor, "persons width frames joints"]:
        """Features gathered along given edges and along those that the features suggest."""
        theta, phi = self.theta(x), self.phi(x)
        scores = torch.einsum("nctv,nctw->nvw", theta, phi) / theta[0, ..., 0].numel()
        # The softmax goes over the joints from which features come.
        return self.out(torch.einsum("nctv,nvw->nctw", x, edges + scores.softmax(dim=1)))


class AdaptiveGraphConvolution(nn.Module):
    """A convolution over the given graph, a learned one, and one of similar features.

    Args:
        width_in: Channels of the input.
        width: Channels of the output.
        adjacency: At [part, from, to].
    """

    adjacency: Tensor

    def __init__(
        self, width_in: int, width: int, adjacency: Float[Tensor, "parts joints joints"]
    ) -> None:
        """Make the layers."""
        super().__init__()
        self.register_buffer("adjacency", adjacency.clone(), persistent=False)
        self.learned = nn.Parameter(torch.full_like(adjacency, _NEAR_ZERO))
        self.parts = nn.ModuleList(AdaptivePart(width_in, width) for _ in adjacency)
        self.norm = nn.BatchNorm2d(width)
        nn.init.constant_(self.norm.weight, _NEAR_ZERO)
        self.skip = nn.Identity() if width_in == width else _conv_norm(width_in, width, 1, 1)

    def forward(
        self, x: Float[Tensor, "persons width_in frames joints"]
    ) -> Float[Tensor, "persons width frames joints"]:
        """Features after the convolution."""
        edges = self.adjacency + self.learned
        y = sum(part(x, edges[i]) for i, part in enumerate(self.parts))
        return (self.norm(y) + self.skip(x)).relu()


class AdaptiveUnit(nn.Module):
    """An adaptive graph convolution and a convolution over nine steps of time, with a skip.

    Args:
        width_in: Channels of the input.
        width: Channels of the output.
        stride: Stride in time.
        adjacency: At [part, from, to].
        skip: Whether there is a skip.
    """

    def __init__(
        self,
        width_in: int,
        width: int,
        stride: int,
        adjacency: Float[Tensor, "parts joints joints"],
        skip: bool = True,
    ) -> None:
        """Make the layers."""
        super().__init__()
        self.graph = AdaptiveGraphConvolution(width_in, width, adjacency)
        self.temporal = _conv_norm(width, width, 9, stride)
        same = width_in == width and stride == 1
        adapted = nn.Identity() if same else _conv_norm(width_in, width, 1, stride)
        self.skip = adapted if skip else None

    def forward(
        self, x: Float[Tensor, "persons width_in frames joints"]
    ) -> Float[Tensor, "persons width new_frames joints"]:
        """Features after the unit."""
        y = self.temporal(self.graph(x))
        return (y if self.skip is None else y + self.skip(x)).relu()


def _conv_norm(width_in: int, width: int, steps: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(width_in, width, (steps, 1), (stride, 1), (steps // 2, 0))
    nn.init.kaiming_normal_(conv.weight, mode="fan_out")
    return nn.Sequential(conv, nn.BatchNorm2d(width))


class AdaptiveTrunk(nn.Module):
    """Adaptive units after a norm over all persons, joints and channels.

    Args:
        graph: The skeleton.
        persons: Persons of a clip.
        channels: Numbers of a joint.
        units: Width and stride of each unit.
    """

    def __init__(
        self,
        graph: SkeletonGraph = NTU25,
        persons: int = 2,
        channels: int = 3,
        units: Sequence[tuple[int, int]] = AGCN_UNITS,
    ) -> None:
        """Make the layers."""
        super().__init__()
        adjacency = graph.directed_partition()
        self.norm = nn.BatchNorm1d(persons * graph.joints * channels)
        widths = [channels, *(width for width, _ in units)]
        self.units = nn.ModuleList(
            AdaptiveUnit(width_in, width, stride, adjacency, skip=i > 0)
            for i, (width_in, (width, stride)) in enumerate(zip(widths, units, strict=False))
        )
        self.width = widths[-1]

    def forward(
        self, joints: Float[Tensor, "batch channels frames joints persons"]
    ) -> Float[Tensor, "batch width"]:
        """The last unit's features, averaged over time, joints and persons."""
        x = self.norm(rearrange(joints, "n c t v m -> n (m v c) t"))
        x = rearrange(x, "n (m v c) t -> (n m) c t v", m=joints.shape[-1], c=joints.shape[1])
        for unit in self.units:
            x = unit(x)
        return reduce(x, "(n m) c t v -> n c", "mean", m=joints.shape[-1])


class Agcn(nn.Module):
    """2s-AGCN's joint or bone stream, which classifies joints in space.

    Args:
        num_classes: Classes.
        graph: The skeleton.
        persons: Persons of a clip.
        channels: Numbers of a joint.
    """

    def __init__(
        self,
        num_classes: int,
        graph: SkeletonGraph = NTU25,
        persons: int = 2,
        channels: int = 3,
    ) -> None:
        """Make the layers."""
        super().__init__()
        self.trunk = AdaptiveTrunk(graph, persons, channels)
        self.head = nn.Linear(self.trunk.width, num_classes)

    def forward(
        self, joints: Float[Tensor, "batch channels frames joints persons"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits."""
        return self.head(self.embed(joints))

    def embed(
        self, joints: Float[Tensor, "batch channels frames joints persons"]
    ) -> Float[Tensor, "batch width"]:
        """A clip's feature."""
        return self.trunk(joints)
