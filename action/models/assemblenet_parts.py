"""The parts of AssembleNet++: stems, nodes, and connections that other nodes gate.

Ryoo et al., "AssembleNet++: Assembling Modality Representations via Attention Connections", ECCV
2020. Maps are (batch, channels, frames, rows, columns), and all but the temporal convolutions see
each frame alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

# What a node's units expand its filters by.
EXPANSION = 4


def pool_same(
    x: Float[Tensor, "batch width frames rows cols"], size: int, stride: int
) -> Float[Tensor, "batch width frames new_rows new_cols"]:
    """Maxima of each frame; n places become n / stride, rounded up, as in TensorFlow."""
    pads: list[int] = []
    for n in (x.shape[-1], x.shape[-2]):
        missing = max((-(-n // stride) - 1) * stride + size - n, 0)
        pads += [missing // 2, missing - missing // 2]
    padded = F.pad(x, pads, value=float("-inf")) if any(pads) else x
    return F.max_pool3d(padded, (1, size, size), (1, stride, stride))


class ConvNorm(nn.Module):
    """A convolution without bias and a norm, and a rectifier unless it is left out.

    Args:
        width_in: Channels of the input.
        width: Channels of the output.
        side: Side of the kernel in space.
        steps: Length of the kernel in time.
        stride: Stride in space.
        dilation: Dilation in time.
        rectify: Whether a rectifier follows.
        start: What the norm's scale starts at.
    """

    def __init__(
        self,
        width_in: int,
        width: int,
        side: int = 1,
        steps: int = 1,
        stride: int = 1,
        dilation: int = 1,
        rectify: bool = True,
        start: float = 1.0,
    ) -> None:
        """Make the layers."""
        super().__init__()
        pads = (steps // 2 * dilation, side // 2, side // 2)
        self.conv = nn.Conv3d(
            width_in,
            width,
            (steps, side, side),
            (1, stride, stride),
            pads,
            (dilation, 1, 1),
            bias=False,
        )
        # TensorFlow's momentum 0.99.
        self.norm = nn.BatchNorm3d(width, momentum=0.01)
        nn.init.constant_(self.norm.weight, start)
        self.rectify = rectify

    def forward(
        self, x: Float[Tensor, "batch width_in frames rows cols"]
    ) -> Float[Tensor, "batch width frames new_rows new_cols"]:
        """Features."""
        y = self.norm(self.conv(x))
        return y.relu() if self.rectify else y


class RgbStem(nn.Module):
    """A convolution in space, one in time, and a pool: a quarter of the frames' size.

    Args:
        width: Channels of the output.
        dilation: Dilation in time.
    """

    def __init__(self, width: int, dilation: int) -> None:
        """Make the layers."""
        super().__init__()
        self.space = ConvNorm(3, width, side=7, stride=2)
        self.time = ConvNorm(width, width, steps=5, dilation=dilation)

    def forward(
        self, clips: Float[Tensor, "batch 3 frames height width"]
    ) -> Float[Tensor, "batch width frames rows cols"]:
        """Features."""
        return pool_same(self.time(self.space(clips)), 3, 2)


class FlowStem(nn.Module):
    """A convolution in space and a pool: a quarter of the frames' size.

    Args:
        width: Channels of the output.
    """

    def __init__(self, width: int) -> None:
        """Make the layers."""
        super().__init__()
        self.space = ConvNorm(2, width, side=7, stride=2)

    def forward(
        self, flow: Float[Tensor, "batch 2 frames height width"]
    ) -> Float[Tensor, "batch width frames rows cols"]:
        """Features."""
        return pool_same(self.space(flow), 2, 2)


class NodeUnit(nn.Module):
    """A bottleneck with a residual; every second one looks along time.

    Args:
        width_in: Channels of the input.
        filters: Channels of the first convolution; the output has four times as many.
        middle: Channels of the second.
        index: Number of the unit in its node; odd ones look along time.
        dilation: Dilation in time.
        stride: Stride in space.
    """

    def __init__(
        self, width_in: int, filters: int, middle: int, index: int, dilation: int, stride: int
    ) -> None:
        """Make the layers; the last norm's scale starts at zero, as published."""
        super().__init__()
        width = filters * EXPANSION
        self.projection = (
            ConvNorm(width_in, width, stride=stride, rectify=False) if index == 0 else nn.Identity()
        )
        self.body = nn.Sequential(
            ConvNorm(width_in, filters, steps=3, dilation=dilation)
            if index % 2
            else ConvNorm(width_in, filters),
            ConvNorm(filters, middle, side=3, stride=stride),
            ConvNorm(middle, width, rectify=False, start=0.0),
        )

    def forward(
        self, x: Float[Tensor, "batch width_in frames rows cols"]
    ) -> Float[Tensor, "batch width frames new_rows new_cols"]:
        """Features after the unit."""
        return (self.projection(x) + self.body(x)).relu()


class Node(nn.Sequential):
    """A block of the network.

    Args:
        width_in: Channels of the input.
        filters: See `NodeUnit`.
        middle: See `NodeUnit`.
        units: Number of units.
        dilation: Dilation in time.
        stride: Stride in space of the first unit.
    """

    def __init__(
        self, width_in: int, filters: int, middle: int, units: int, dilation: int, stride: int
    ) -> None:
        """Make the units."""
        widths = [width_in] + [filters * EXPANSION] * (units - 1)
        strides = [stride] + [1] * (units - 1)
        super().__init__(
            *(
                NodeUnit(width, filters, middle, index, dilation, step)
                for index, (width, step) in enumerate(zip(widths, strides, strict=True))
            )
        )


class Peers(nn.Module):
    """The input of a node's gates: the means of the nodes of lower levels, at one width.

    Args:
        widths: Channels of these nodes.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        """Make a map for each node, to the widest."""
        super().__init__()
        self.width = max(widths)
        self.maps = nn.ModuleList(nn.Linear(width, self.width) for width in widths)

    def forward(
        self, pooled: Sequence[Float[Tensor, "batch frames width_in"]]
    ) -> Float[Tensor, "peers batch frames width"]:
        """One vector a node and frame."""
        return torch.stack([read(x) for read, x in zip(self.maps, pooled, strict=True)])


class Gate(nn.Module):
    """Opens or closes the channels of an input, by what the peers say.

    Args:
        peers: Number of peers.
        peer_width: Their width.
        width: Channels of the input.
    """

    def __init__(self, peers: int, peer_width: int, width: int) -> None:
        """Make the layers; the published code does not train the weights of the peers."""
        super().__init__()
        self.weights = nn.Parameter(0.01 * torch.randn(peers))
        self.read = nn.Linear(peer_width, width)

    def forward(
        self,
        x: Float[Tensor, "batch width frames rows cols"],
        peers: Float[Tensor, "peers batch frames peer_width"],
    ) -> Float[Tensor, "batch width frames rows cols"]:
        """The input with channels weighed between 0 and 1, frame by frame."""
        said = torch.einsum("p,pbtc->btc", self.weights.softmax(dim=0), peers)
        return x * self.read(said).sigmoid().transpose(1, 2)[..., None, None]


class Connection(nn.Module):
    """Brings a node's inputs to one size and width, gates and adds them.

    Args:
        widths: Channels of the inputs.
        objects: For each input, whether it holds object maps, whose width the node does not take.
        peers: Number of peers that gate the inputs.
        peer_width: Their width.
        shares: How much of each input counts; learned by default.
        drop_equals: Use the first alone of several inputs of one width, none of them the widest,
            as the published code does.
    """

    shares: Tensor

    def __init__(
        self,
        widths: Sequence[int],
        objects: Sequence[bool],
        peers: int,
        peer_width: int,
        shares: Sequence[float] | None = None,
        drop_equals: bool = False,
    ) -> None:
        """Make the layers."""
        super().__init__()
        self.drop_equals = drop_equals
        counted = [w for w, is_object in zip(widths, objects, strict=True) if not is_object]
        self.width = max(counted or widths)
        self.gates = nn.ModuleList(Gate(peers, peer_width, width) for width in widths)
        self.maps = nn.ModuleDict(
            {
                str(width): nn.Conv3d(width, self.width, 1, bias=False)
                for width in dict.fromkeys(widths)
                if width != self.width
            }
        )
        self.learned: nn.Parameter | None = None
        if shares is None:
            self.learned = nn.Parameter(torch.empty(len(widths)))
            nn.init.trunc_normal_(self.learned, std=0.01, a=-0.02, b=0.02)
        else:
            self.register_buffer("shares", torch.tensor(shares))

    def forward(
        self,
        inputs: Sequence[Float[Tensor, "batch _width frames _rows _cols"]],
        peers: Float[Tensor, "peers batch frames peer_width"],
    ) -> Float[Tensor, "batch width frames rows cols"]:
        """The input of the node."""
        shares = self.shares if self.learned is None else self.learned.sigmoid()
        smallest = min(x.shape[-2] for x in inputs)
        by_width: dict[int, Tensor] = {}
        for share, x, gate in zip(shares, inputs, self.gates, strict=True):
            size = (x.shape[-2] + 1) // smallest
            gated = gate(pool_same(share * x, size, size), peers)
            width = x.shape[1]
            if width not in by_width:
                by_width[width] = gated
            elif not self.drop_equals or width == self.width:
                by_width[width] = by_width[width] + gated
        mapped = [
            self.maps[str(width)](x) if width != self.width else x for width, x in by_width.items()
        ]
        return torch.stack(mapped).sum(dim=0)
