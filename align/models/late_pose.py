"""Late pose: a network on keypoints beside the trunk on pixels, joined in the embedding.

This goes beyond the paper. A pose map says in which patches keypoints lie; here, their coordinates
reach the embedding. Pixels and keypoints have encoders and losses of their own, without a gradient
between them: trained jointly, the keypoints, which are learnt first, starve the trunk.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from align.models.config import LateConfig
from align.models.shared_norm import SharedBatchNorm
from align.models.tcn import convolution, positions_along, spatial_soft_argmax

# Numbers that describe a keypoint: x, y, and whether it is visible.
DESCRIBED = 3
# Steps of the dilated convolutions: together they see 60 pixels to each side.
_DILATIONS = (1, 2, 4, 8)
# Errors below this many half images count quadratically: half a pixel at 112.
_SMOOTH = 0.01
# Weight of the visibility's cross-entropy beside the error of coordinates.
_VISIBILITY_WEIGHT = 0.2


def describe_keypoints(
    keypoints: Float[Tensor, "batch keypoints 2"],
    visible: Bool[Tensor, "batch keypoints"],
    image_size: int,
) -> Float[Tensor, "batch keypoints 3"]:
    """Keypoints as the encoder receives them.

    Args:
        keypoints: Pixels, x right and y down.
        visible: False where a keypoint is missing or hidden.
        image_size: Side of the images in pixels.

    Returns:
        x and y, -1 at the left or upper border and 1 at the other, and 1; zeros where hidden.
    """
    seen = visible & keypoints.isfinite().all(-1)
    place = 2 * keypoints.float() / image_size - 1
    place = torch.where(seen[..., None], place, torch.zeros_like(place))
    return torch.cat([place, seen[..., None].float()], dim=-1)


def jittered(
    described: Float[Tensor, "batch keypoints 3"], noise: float
) -> Float[Tensor, "batch keypoints 3"]:
    """Described keypoints with noise on the places of the visible ones.

    The noise comes from the global generator, which the training loop seeds at every step.

    Args:
        described: The result of `describe_keypoints`.
        noise: Standard deviation in half images; 0 changes nothing.
    """
    if not noise:
        return described
    place, seen = described[..., :2], described[..., 2:]
    return torch.cat([place + noise * torch.randn_like(place) * seen, seen], dim=-1)


class KeypointEncoder(nn.Module):
    """An embedding of described keypoints: three linear layers and a norm.

    Args:
        num_keypoints: Keypoints of the skeleton.
        config: Widths, and the noise of training.
    """

    def __init__(self, num_keypoints: int, config: LateConfig) -> None:
        """Make the layers."""
        super().__init__()
        self.noise = config.noise
        self.layers = nn.Sequential(
            nn.Linear(DESCRIBED * num_keypoints, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.dim),
        )
        self.whiten = SharedBatchNorm(config.dim, affine=False)

    def forward(
        self, described: Float[Tensor, "batch keypoints 3"]
    ) -> Float[Tensor, "batch late_dim"]:
        """Embed the result of `describe_keypoints`; training moves the keypoints by noise."""
        described = jittered(described, self.noise if self.training else 0)
        return self.whiten(self.layers(described.flatten(1)))


class DetectedKeypoints(NamedTuple):
    """Keypoints found in images: x and y from -1 to 1, and logits of their visibility."""

    place: Float[Tensor, "batch keypoints 2"]
    visibility: Float[Tensor, "batch keypoints"]

    def described(self) -> Float[Tensor, "batch keypoints 3"]:
        """Keypoints in the form of `describe_keypoints`, hidden where that is more likely."""
        seen = (self.visibility > 0)[..., None]
        return torch.cat([self.place * seen, seen.to(self.place.dtype)], dim=-1)


class KeypointDetector(nn.Module):
    """Heatmaps of keypoints from images, a quarter of their size, read out by soft-argmax.

    Args:
        num_keypoints: Keypoints of the skeleton.
        channels: Channels of the convolutions.
        frames: Frames whose channels an image stacks.
    """

    def __init__(self, num_keypoints: int, channels: int, frames: int = 1) -> None:
        """Make the layers."""
        super().__init__()
        # Two of the channels that come in are coordinates: links of one colour differ by place.
        self.stem = nn.Sequential(
            *convolution(3 * frames + 2, channels // 2, stride=2),
            *convolution(channels // 2, channels, stride=2),
        )
        self.context = nn.ModuleList(
            nn.Sequential(*convolution(channels, channels, dilation=step)) for step in _DILATIONS
        )
        self.heat = nn.Conv2d(channels, num_keypoints, 1)
        self.visibility = nn.Linear(channels + num_keypoints, num_keypoints)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> DetectedKeypoints:
        """Find the keypoints in normalised images."""
        features = self.stem(torch.cat([images, _coordinates(images)], dim=1))
        for layer in self.context:
            features = features + layer(features)
        heat = self.heat(features)
        # Half precision is too coarse for places.
        with torch.autocast(images.device.type, enabled=False):
            heat, pooled = heat.float(), features.float().mean(dim=(-2, -1))
            seen = self.visibility(torch.cat([pooled, heat.amax(dim=(-2, -1))], dim=1))
            return DetectedKeypoints(_from_centres(spatial_soft_argmax(heat), heat), seen)


def detection_loss(
    found: DetectedKeypoints, truth: Float[Tensor, "batch keypoints 3"]
) -> Float[Tensor, ""]:
    """Smooth L1 of the visible keypoints' places, plus cross-entropy of the visibility.

    Args:
        found: Keypoints of the detector.
        truth: Keypoints from `describe_keypoints`.
    """
    place, seen = truth[..., :2], truth[..., 2]
    error = F.smooth_l1_loss(found.place, place, reduction="none", beta=_SMOOTH).sum(-1)
    visibility = F.binary_cross_entropy_with_logits(found.visibility, seen)
    return (error * seen).sum() / seen.sum().clamp(min=1) + _VISIBILITY_WEIGHT * visibility


def _from_centres(
    place: Float[Tensor, "batch keypoints 2"], heat: Float[Tensor, "batch keypoints rows cols"]
) -> Float[Tensor, "batch keypoints 2"]:
    """Places between the outermost cells' centres as places between the image's borders."""
    rows, cols = heat.shape[-2:]
    return place * place.new_tensor([(cols - 1) / cols, (rows - 1) / rows])


def _coordinates(images: Float[Tensor, "batch 3 height width"]) -> Tensor:
    """X and y of every pixel from -1 to 1, as two channels."""
    height, width = images.shape[-2:]
    x, y = positions_along(width, images), positions_along(height, images)
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"))
    return grid.expand(len(images), -1, -1, -1)
