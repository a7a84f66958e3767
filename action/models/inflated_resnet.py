"""A ResNet-50 with kernels inflated in time, which keeps every frame.

Baradel et al., "Glimpse Clouds: Human Activity Recognition from Unstructured Feature Points",
CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Blocks and width of each stage; what leaves a stage is four times as wide.
_STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))
_EXPANSION = 4
RESNET_WIDTH = _STAGES[-1][1] * _EXPANSION


class InflatedBottleneck(nn.Module):
    """Convolutions of sides 1, 3 and 1 over time and space, with a residual.

    Args:
        width_in: Channels of the input.
        width: Channels inside; the output has four times as many.
        stride: Stride in space.
        project: Whether the residual is projected.
    """

    def __init__(self, width_in: int, width: int, stride: int, project: bool) -> None:
        """Make the layers."""
        super().__init__()
        out = width * _EXPANSION
        self.body = nn.Sequential(
            *(nn.Conv3d(width_in, width, 1, bias=False), nn.BatchNorm3d(width), nn.ReLU()),
            nn.Conv3d(width, width, 3, (1, stride, stride), padding=1, bias=False),
            *(nn.BatchNorm3d(width), nn.ReLU()),
            *(nn.Conv3d(width, out, 1, bias=False), nn.BatchNorm3d(out)),
        )
        self.projection = nn.Identity() if not project else _projection(width_in, out, stride)

    def forward(
        self, x: Float[Tensor, "batch width_in frames rows cols"]
    ) -> Float[Tensor, "batch width_out frames new_rows new_cols"]:
        """Features after the block."""
        return (self.body(x) + self.projection(x)).relu()


def _projection(width_in: int, width: int, stride: int) -> nn.Sequential:
    conv = nn.Conv3d(width_in, width, 1, (1, stride, stride), bias=False)
    return nn.Sequential(conv, nn.BatchNorm3d(width))


class Maps(NamedTuple):
    """The maps of the last two stages, of a 16th and of a 32nd of the frames' size."""

    pose: Float[Tensor, "batch 1024 frames rows cols"]
    final: Float[Tensor, "batch 2048 frames half_rows half_cols"]


class InflatedResNet50(nn.Module):
    """ResNet-50 over clips; its stem sees each frame alone, and nothing is pooled in time."""

    def __init__(self) -> None:
        """Make the layers."""
        super().__init__()
        stem = nn.Conv3d(3, 64, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False)
        pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.stem = nn.Sequential(stem, nn.BatchNorm3d(64), nn.ReLU(), pool)
        width_in = 64
        stages = []
        for number, (blocks, width) in enumerate(_STAGES):
            stages.append(_stage(blocks, width_in, width, stride=1 if number == 0 else 2))
            width_in = width * _EXPANSION
        self.stages = nn.ModuleList(stages)

    def forward(self, clips: Float[Tensor, "batch 3 frames height width"]) -> Maps:
        """The maps of the last two stages, of pixels normalised as for ImageNet."""
        x = self.stem(clips)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return Maps(*maps[-2:])


def _stage(blocks: int, width_in: int, width: int, stride: int) -> nn.Sequential:
    first = InflatedBottleneck(width_in, width, stride, project=True)
    others = (
        InflatedBottleneck(width * _EXPANSION, width, 1, project=False) for _ in range(blocks - 1)
    )
    return nn.Sequential(first, *others)


def inflated(
    kernel: Float[Tensor, "out in rows cols"], steps: int = 3
) -> Float[Tensor, "out in steps rows cols"]:
    """A kernel for pictures at the middle of time, with zeros before and after."""
    inflated = torch.zeros(*kernel.shape[:2], steps, *kernel.shape[2:])
    inflated[:, :, steps // 2] = kernel
    return inflated


# torchvision's name of a layer of a bottleneck to its place in our body, after a rectifier each.
_BODY = {"conv1": 0, "bn1": 1, "conv2": 3, "bn2": 4, "conv3": 6, "bn3": 7}


def inflated_weights(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of torchvision's ResNet-50 without its classifier, by our names."""
    return {_our_name(name): _inflated_kernel(t) for name, t in published.items()}


def _our_name(name: str) -> str:
    first, *rest = name.split(".")
    if not first.startswith("layer"):
        return ".".join(["stem", {"conv1": "0", "bn1": "1"}.get(first, first), *rest])
    block, layer, *last = rest
    place = ["projection"] if layer == "downsample" else ["body", str(_BODY.get(layer, layer))]
    return ".".join(["stages", str(int(first.removeprefix("layer")) - 1), block, *place, *last])


def _inflated_kernel(tensor: Tensor) -> Tensor:
    """A kernel for pictures as one for clips; the stem's and the single ones see one moment."""
    if tensor.ndim < 4:
        return tensor
    return inflated(tensor, 3 if tensor.shape[-1] == 3 else 1)
