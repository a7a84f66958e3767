"""I3D: the Inception network with convolutions inflated in time.

Carreira and Zisserman, "Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset",
CVPR 2017.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

I3D_WIDTH = 1024
HeadPool = Literal["map", "published"]
# As published, from TensorFlow.
_EPS, _MOMENTUM = 1e-3, 0.01


class Widths(NamedTuple):
    """Channels of a mixed block: of its four branches, and before the larger kernels of two."""

    single: int
    before_second: int
    second: int
    before_third: int
    third: int
    pooled: int

    @property
    def out(self) -> int:
        """Channels of the block's output."""
        return self.single + self.second + self.third + self.pooled


class Pool(NamedTuple):
    """A max pool's kernel and stride over time, height and width."""

    kernel: tuple[int, int, int]
    stride: tuple[int, int, int]


# The network after its three single convolutions, as it is run.
_STAGES: dict[str, Widths | Pool] = {
    "pool_3a": Pool((1, 3, 3), (1, 2, 2)),
    "mixed_3b": Widths(64, 96, 128, 16, 32, 32),
    "mixed_3c": Widths(128, 128, 192, 32, 96, 64),
    "pool_4a": Pool((3, 3, 3), (2, 2, 2)),
    "mixed_4b": Widths(192, 96, 208, 16, 48, 64),
    "mixed_4c": Widths(160, 112, 224, 24, 64, 64),
    "mixed_4d": Widths(128, 128, 256, 24, 64, 64),
    "mixed_4e": Widths(112, 144, 288, 32, 64, 64),
    "mixed_4f": Widths(256, 160, 320, 32, 128, 128),
    "pool_5a": Pool((2, 2, 2), (2, 2, 2)),
    "mixed_5b": Widths(256, 160, 320, 32, 128, 128),
    "mixed_5c": Widths(384, 192, 384, 48, 128, 128),
}


def pad_same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Zeros around the last axes, so that n becomes n / stride, rounded up.

    An odd number of zeros has one more behind than before, as in TensorFlow.

    Args:
        x: Maps whose last axes `kernel` and `stride` describe.
        kernel: Size of the kernel along each of these axes.
        stride: Stride along each of them.
    """
    pads: list[int] = []
    sizes = x.shape[-len(kernel) :]
    for n, k, s in reversed(list(zip(sizes, kernel, stride, strict=True))):
        missing = max((-(-n // s) - 1) * s + k - n, 0)
        pads += [missing // 2, missing - missing // 2]
    return F.pad(x, pads) if any(pads) else x


class MaxPoolSame(nn.Module):
    """A max pool of maps that are padded with zeros, as published.

    Args:
        kernel: Size over time, height and width.
        stride: Stride over them.
    """

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        """Keep the sizes."""
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(
        self, x: Float[Tensor, "batch width frames rows cols"]
    ) -> Float[Tensor, "batch width new_frames new_rows new_cols"]:
        """Maxima."""
        return F.max_pool3d(pad_same(x, self.kernel, self.stride), self.kernel, self.stride)


class Unit(nn.Module):
    """A convolution without bias, a norm and a rectifier.

    Args:
        width_in: Channels of the input.
        width: Channels of the output.
        kernel: Side of the cubic kernel.
        stride: Stride over time, height and width.
    """

    def __init__(self, width_in: int, width: int, kernel: int, stride: int = 1) -> None:
        """Make the layers."""
        super().__init__()
        self.conv = nn.Conv3d(width_in, width, kernel, stride, bias=False)
        self.norm = nn.BatchNorm3d(width, eps=_EPS, momentum=_MOMENTUM)

    def forward(
        self, x: Float[Tensor, "batch width_in frames rows cols"]
    ) -> Float[Tensor, "batch width new_frames new_rows new_cols"]:
        """Features."""
        padded = pad_same(x, self.conv.kernel_size, self.conv.stride)
        return self.norm(self.conv(padded)).relu()


class Mixed(nn.Module):
    """Four branches side by side.

    Args:
        width_in: Channels of the input.
        widths: Channels of the branches.
    """

    def __init__(self, width_in: int, widths: Widths) -> None:
        """Make the branches."""
        super().__init__()
        self.single = Unit(width_in, widths.single, 1)
        self.second = nn.Sequential(
            Unit(width_in, widths.before_second, 1), Unit(widths.before_second, widths.second, 3)
        )
        self.third = nn.Sequential(
            Unit(width_in, widths.before_third, 1), Unit(widths.before_third, widths.third, 3)
        )
        self.pooled = nn.Sequential(
            MaxPoolSame((3, 3, 3), (1, 1, 1)), Unit(width_in, widths.pooled, 1)
        )

    def forward(
        self, x: Float[Tensor, "batch width_in frames rows cols"]
    ) -> Float[Tensor, "batch width frames rows cols"]:
        """The branches' features, joined."""
        return torch.cat([self.single(x), self.second(x), self.third(x), self.pooled(x)], dim=1)


class I3dTrunk(nn.Sequential):
    """I3D up to its last map: an eighth of the frames, and a 32nd of height and width."""

    def __init__(self) -> None:
        """Make the layers, named as published."""
        super().__init__()
        self.add_module("conv_1a", Unit(3, 64, 7, stride=2))
        self.add_module("pool_2a", MaxPoolSame((1, 3, 3), (1, 2, 2)))
        self.add_module("conv_2b", Unit(64, 64, 1))
        self.add_module("conv_2c", Unit(64, 192, 3))
        width = 192
        for name, stage in _STAGES.items():
            if isinstance(stage, Pool):
                self.add_module(name, MaxPoolSame(stage.kernel, stage.stride))
            else:
                self.add_module(name, Mixed(width, stage))
                width = stage.out


class I3d(nn.Module):
    """I3D for clips of RGB, pixels from -1 to 1.

    Args:
        num_classes: Classes.
        dropout: Before the classifier.
        pool: "map" averages the classifier's input over the whole map. "published" averages two
            steps and 7 × 7 positions at a time, and the logits over the steps; it needs maps of
            that size, that is, frames of 224 pixels.
    """

    def __init__(self, num_classes: int, dropout: float = 0.5, pool: HeadPool = "map") -> None:
        """Make the layers."""
        super().__init__()
        self.trunk = I3dTrunk()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Conv3d(I3D_WIDTH, num_classes, 1)
        self.pool: HeadPool = pool

    def forward(
        self, clips: Float[Tensor, "batch 3 frames height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits."""
        return self.logits_over_time(self.trunk(clips)).mean(dim=2)

    def logits_over_time(
        self, features: Float[Tensor, "batch 1024 steps rows cols"]
    ) -> Float[Tensor, "batch classes new_steps"]:
        """The classifier on the pooled map."""
        if self.pool == "published":
            pooled = F.avg_pool3d(features, (2, 7, 7), 1)
        else:
            pooled = features.mean(dim=(2, 3, 4), keepdim=True)
        return self.head(self.dropout(pooled)).mean(dim=(3, 4))
