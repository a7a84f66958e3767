"""ST-GCN: graph convolutions over a skeleton, and convolutions over time.

Yan et al., "Spatial Temporal Graph Convolutional Networks for Skeleton-Based Action Recognition",
AAAI 2018.
"""

from __future__ import annotations

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn

from action.models.graphs import NTU25, Partition, SkeletonGraph

# Width and stride in time of each block.
_BLOCKS = (*[(64, 1)] * 4, (128, 2), *[(128, 1)] * 2, (256, 2), *[(256, 1)] * 2)


class StGcnBlock(nn.Module):
    """A convolution over the graph and one over nine steps of time, with a residual.

    Args:
        width_in: Channels of the input.
        width: Channels of the output.
        stride: Stride in time.
        adjacency: At [part, from, to].
        dropout: Probability of dropping a feature before the residual is added.
        residual: Whether there is a residual.
    """

    adjacency: Tensor

    def __init__(
        self,
        width_in: int,
        width: int,
        stride: int,
        adjacency: Float[Tensor, "parts joints joints"],
        dropout: float = 0.5,
        residual: bool = True,
    ) -> None:
        """Make the layers; all edges start equally important."""
        super().__init__()
        self.register_buffer("adjacency", adjacency.clone(), persistent=False)
        self.edge_importance = nn.Parameter(torch.ones_like(adjacency))
        self.spread = nn.Conv2d(width_in, len(adjacency) * width, 1)
        self.norm_in = nn.BatchNorm2d(width)
        self.temporal = nn.Conv2d(width, width, (9, 1), (stride, 1), (4, 0))
        self.norm_out = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(dropout)
        self.residual = _residual(width_in, width, stride) if residual else None

    def forward(
        self, x: Float[Tensor, "persons width_in frames joints"]
    ) -> Float[Tensor, "persons width new_frames joints"]:
        """Features after the block."""
        edges = self.adjacency * self.edge_importance
        parts = rearrange(self.spread(x), "n (k c) t v -> n k c t v", k=len(edges))
        gathered = torch.einsum("nkctv,kvw->nctw", parts, edges)
        moved = self.norm_out(self.temporal(self.norm_in(gathered).relu()))
        y = self.dropout(moved)
        return (y if self.residual is None else y + self.residual(x)).relu()


def _residual(width_in: int, width: int, stride: int) -> nn.Module:
    if width_in == width and stride == 1:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(width_in, width, 1, (stride, 1)), nn.BatchNorm2d(width))


class StGcn(nn.Module):
    """ST-GCN, which classifies joints in space.

    Args:
        num_classes: Classes.
        graph: The skeleton.
        channels: Numbers of a joint: x, y, z, or x, y and score.
        partition: How neighbours are distinguished, see `SkeletonGraph.spatial_partition`.
        dropout: Dropout of all blocks but the first; the published Kinetics recipe has none.
    """

    def __init__(
        self,
        num_classes: int,
        graph: SkeletonGraph = NTU25,
        channels: int = 3,
        partition: Partition = "published",
        dropout: float = 0.5,
    ) -> None:
        """Make the layers, with the published initial weights."""
        super().__init__()
        adjacency = graph.spatial_partition(partition)
        self.norm = nn.BatchNorm1d(graph.joints * channels)
        widths = [channels, *(width for width, _ in _BLOCKS)]
        self.blocks = nn.ModuleList(
            StGcnBlock(width_in, width, stride, adjacency, dropout if i else 0.0, residual=i > 0)
            for i, (width_in, (width, stride)) in enumerate(zip(widths, _BLOCKS, strict=False))
        )
        self.head = nn.Linear(widths[-1], num_classes)
        self.apply(_init_weights)

    def forward(
        self, joints: Float[Tensor, "batch channels frames joints persons"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits."""
        return self.head(self.embed(joints))

    def embed(
        self, joints: Float[Tensor, "batch channels frames joints persons"]
    ) -> Float[Tensor, "batch width"]:
        """A clip's feature. Absent persons are zeros, which count in the mean, as published."""
        return reduce(self.features(joints), "n c t v m -> n c", "mean")

    def features(
        self, joints: Float[Tensor, "batch channels frames joints persons"]
    ) -> Float[Tensor, "batch width quarter_frames joints persons"]:
        """The last block's features, at every fourth frame."""
        x = self.norm(rearrange(joints, "n c t v m -> (n m) (v c) t"))
        x = rearrange(x, "n (v c) t -> n c t v", c=joints.shape[1])
        for block in self.blocks:
            x = block(x)
        return rearrange(x, "(n m) c t v -> n c t v m", m=joints.shape[-1])


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
        nn.init.normal_(module.weight, 1, 0.02)
        nn.init.zeros_(module.bias)
