"""The network of TCN (Sermanet et al. 2018): an Inception trunk and the places of its features.

PAAT also works without a transformer: it predicts from the trunk's features which keypoint lies in
which patch.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models import Inception_V3_Weights, inception_v3
from torchvision.models.inception import BasicConv2d

from align.models.config import PaatConfig, TcnConfig
from align.paat import PoseAwareAuxiliaryTask
from datasets.errors import MissingWeightsError

# The layers of torchvision's Inception-v3 (`TRUNK`) up to Mixed_5d, in order, with its poolings.
_TRUNK_LAYERS = (
    "Conv2d_1a_3x3",
    "Conv2d_2a_3x3",
    "Conv2d_2b_3x3",
    "maxpool1",
    "Conv2d_3b_1x1",
    "Conv2d_4a_3x3",
    "maxpool2",
    "Mixed_5b",
    "Mixed_5c",
    "Mixed_5d",
)
_TRUNK_CHANNELS = 288  # of Mixed_5d
# Pixels between neighbouring features of the trunk, and the centre of the first one's receptive
# field: the trunk's convolutions and poolings are partly unpadded.
_STRIDE = 8
_FIRST = 13.5
# Scale and shift from ImageNet's mean and deviation to the range [-1, 1] of the published weights.
_SCALE = (0.229 / 0.5, 0.224 / 0.5, 0.225 / 0.5)
_SHIFT = ((0.485 - 0.5) / 0.5, (0.456 - 0.5) / 0.5, (0.406 - 0.5) / 0.5)


class TcnOutput(NamedTuple):
    """The output of `TcnNetwork`; `points` are the soft-argmax (x, y) in [-1, 1] of each channel.

    ``pose_logits`` has PAAT's logits under the key 1. It is empty without PAAT, and in evaluation
    mode.
    """

    embedding: Float[Tensor, "batch dim"]
    points: Float[Tensor, "batch channels 2"]
    pose_logits: dict[int, Float[Tensor, "batch 1 patches keypoints"]]


class TcnNetwork(nn.Module):
    """Inception-v3 to Mixed_5d, two 3x3 convolutions, spatial soft-argmax, two linear layers.

    Args:
        config: Widths.
        pretrained: Start the trunk from torchvision's ImageNet weights.
        paat: The pose-aware auxiliary task after the trunk, or None; its positions are ignored.
        num_keypoints: Keypoints of the skeleton, which PAAT needs unless its target is p2d.
        frames: Frames whose channels an image stacks.

    Raises:
        OptionError: PAAT without a number of keypoints.
        MissingWeightsError: Pretrained weights that cannot be loaded.
    """

    patch_size = (_STRIDE, _STRIDE)
    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        config: TcnConfig,
        pretrained: bool = False,
        paat: PaatConfig | None = None,
        num_keypoints: int | None = None,
        frames: int = 1,
    ) -> None:
        """Make the layers, with torchvision's initialisation in the trunk."""
        super().__init__()
        inception = _inception(pretrained)
        if frames > 1:
            _widen(cast(BasicConv2d, inception.Conv2d_1a_3x3), frames, pretrained)
        self.trunk = nn.Sequential(*(getattr(inception, name) for name in _TRUNK_LAYERS))
        self.convolutions = nn.Sequential(
            *convolution(_TRUNK_CHANNELS, config.channels),
            *convolution(config.channels, config.channels),
        )
        self.head = nn.Sequential(
            nn.Linear(2 * config.channels, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.dim),
        )
        self.paat: PoseAwareAuxiliaryTask | None = None
        if paat is not None:
            self.paat = PoseAwareAuxiliaryTask(
                _TRUNK_CHANNELS, num_keypoints, paat.bottleneck, paat.target
            )
        self.embed_dim = config.dim
        self.register_buffer("scale", torch.tensor(_SCALE).view(3, 1, 1), persistent=False)
        self.register_buffer("shift", torch.tensor(_SHIFT).view(3, 1, 1), persistent=False)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> TcnOutput:
        """Embed images, normalised with ImageNet's mean and deviation, of 35 pixels or more."""
        frames = images.shape[1] // 3
        features = self.trunk(
            images * self.scale.repeat(frames, 1, 1) + self.shift.repeat(frames, 1, 1)
        )
        height, width = images.shape[-2:]
        pose_logits = {}
        if self.paat is not None and self.training:
            pose_logits[1] = self.paat(at_patches(features, (height, width)))
        points = spatial_soft_argmax(self.convolutions(features))
        return TcnOutput(self.head(points.flatten(1)), points, pose_logits)


def at_patches(
    features: Float[Tensor, "batch channels rows cols"], image_size: tuple[int, int]
) -> Float[Tensor, "batch 1 patches channels"]:
    """The trunk's features in the middle of each patch of 8 x 8 pixels, patches row-major.

    They are interpolated between features. Patches at the image's borders lie beyond the outermost
    features, because the trunk's convolutions are unpadded; they take the outermost ones.

    Args:
        features: Output of the trunk.
        image_size: Height and width of the images in pixels, multiples of 8.
    """
    y, x = (
        _grid_positions(side, count, features)
        for side, count in zip(image_size, features.shape[-2:], strict=True)
    )
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).expand(len(features), -1, -1, 2)
    sampled = F.grid_sample(features, grid, padding_mode="border", align_corners=True)
    return rearrange(sampled, "b c h w -> b 1 (h w) c")


def spatial_soft_argmax(
    features: Float[Tensor, "batch channels rows cols"],
) -> Float[Tensor, "batch channels 2"]:
    """Mean position (x, y) of each channel under the softmax of its activations.

    -1 is the centre of the first column or row, 1 that of the last; a single one is at 0.
    """
    rows, cols = features.shape[-2:]
    weights = rearrange(features.float(), "b c h w -> b c (h w)").softmax(dim=-1)
    weights = rearrange(weights, "b c (h w) -> b c h w", h=rows)
    x = weights.sum(dim=-2) @ positions_along(cols, weights)
    y = weights.sum(dim=-1) @ positions_along(rows, weights)
    return torch.stack([x, y], dim=-1)


def positions_along(count: int, like: Tensor) -> Float[Tensor, " count"]:
    """Positions of columns or rows from -1, the first, to 1, the last; a single one is at 0."""
    if count == 1:
        return like.new_zeros(1)
    return torch.linspace(-1, 1, count, device=like.device, dtype=like.dtype)


def _grid_positions(side: int, count: int, like: Tensor) -> Float[Tensor, " patches"]:
    """Centres of the patches along a side of the image: -1 is its first feature, 1 its last."""
    patches = torch.arange(side // _STRIDE, device=like.device, dtype=like.dtype)
    feature = ((patches + 0.5) * _STRIDE - _FIRST) / _STRIDE
    return 2 * feature / max(count - 1, 1) - 1


def convolution(
    channels_in: int, channels_out: int, stride: int = 1, dilation: int = 1
) -> tuple[nn.Module, ...]:
    """A 3x3 convolution that keeps the size but for its stride, a batch norm and a ReLU."""
    return (
        nn.Conv2d(
            channels_in, channels_out, 3, stride, padding=dilation, dilation=dilation, bias=False
        ),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )


def _widen(first: BasicConv2d, frames: int, pretrained: bool) -> None:
    """Lets the first convolution take stacked frames, each with its share of pretrained weights."""
    weight = first.conv.weight.detach()
    first.conv = nn.Conv2d(3 * frames, len(weight), 3, stride=2, bias=False)
    if pretrained:
        first.conv.weight.data = weight.repeat(1, frames, 1, 1) / frames
    else:
        # torchvision's initialisation of this layer.
        nn.init.trunc_normal_(first.conv.weight, std=0.1, a=-2, b=2)


def _inception(pretrained: bool) -> nn.Module:
    if not pretrained:
        return inception_v3(weights=None, aux_logits=False, init_weights=True)
    try:
        return inception_v3(weights=Inception_V3_Weights.IMAGENET1K_V1)
    except OSError as error:
        raise MissingWeightsError(
            f"no weights for Inception-v3: {type(error).__name__}. Run once where "
            "download.pytorch.org can be reached (they stay in the cache, TORCH_HOME), or train "
            "without --backbone.pretrained"
        ) from error
