"""View-disentangled representation: one code for the state, another for the viewpoint.

After Shang and Ryoo, "Self-supervised disentangled representation learning for third-person
imitation learning" (2021). This is a reconstruction, not the published network. The abstract names
two encoders, the dual auto-encoder's decoder, a permutation of representations and a
time-contrastive loss. The backbones, the widths of the codes, the decoder, the size of the decoded
images, the choice of swapped moments and the weights of the losses are not from the paper.

The decoder reconstructs the frames that the encoders see, averaged down to
`DisentangleConfig.image` pixels a side, RGB in [0, 1].
"""

from __future__ import annotations

from typing import NamedTuple

import timm
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from align.models.backbones import missing_weights
from align.models.config import DisentangleConfig
from datasets.errors import OptionError

# Side in pixels of the decoder's first map, which doubles up to `DisentangleConfig.image`.
_SMALLEST = 4


class Codes(NamedTuple):
    """The output of `Disentangler`: the state code, which is the embedding, and the viewpoint."""

    embedding: Float[Tensor, "batch state"]
    viewpoint: Float[Tensor, "batch viewpoint"]


class Disentangler(nn.Module):
    """State encoder, viewpoint encoder, and a decoder that takes one code of each.

    Raises:
        OptionError: An unknown encoder, or an image side that is not 4 times a power of 2.
        MissingWeightsError: Pretrained weights that cannot be loaded.
    """

    def __init__(self, config: DisentangleConfig, pretrained: bool = False) -> None:
        """Make both encoders, with timm's initialisation or weights, and the decoder."""
        super().__init__()
        self.state_encoder = _encoder(config.encoder, config.state, pretrained)
        self.viewpoint_encoder = _encoder(config.encoder, config.viewpoint, pretrained)
        self.decoder = _decoder(config)
        self.embed_dim = config.state
        self.image = config.image

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Codes:
        """Both codes of images normalised with ImageNet's mean and deviation."""
        return Codes(self.state_encoder(images), self.viewpoint_encoder(images))

    def decode(
        self, state: Float[Tensor, "batch state"], viewpoint: Float[Tensor, "batch viewpoint"]
    ) -> Float[Tensor, "batch 3 image image"]:
        """Images in [0, 1] of states seen from viewpoints."""
        return self.decoder(torch.cat([state, viewpoint], dim=-1))

    def target(
        self, frames: UInt8[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 image image"]:
        """Targets of `decode`: frames in [0, 1], averaged down."""
        return F.adaptive_avg_pool2d(frames / 255, self.image)


def permutation_losses(
    model: Disentangler,
    state: Float[Tensor, "episodes views times state"],
    viewpoint: Float[Tensor, "episodes views times viewpoint"],
    frames: UInt8[Tensor, "episodes views times 3 height width"],
) -> dict[str, Float[Tensor, ""]]:
    """Mean squared errors of frames decoded from their own codes, and from swapped ones.

    The frame of view a at time t is decoded from its own codes, and from the state of another view
    at t with the viewpoint of view a at a neighbouring moment of the step.

    Returns:
        `reconstruction` and `swapped`.
    """
    target = model.target(rearrange(frames, "e v t c h w -> (e v t) c h w"))
    other_view, near_time = swapped(state, viewpoint)
    states, viewpoints = (
        rearrange(torch.stack(codes), "k e v t d -> (k e v t) d")
        for codes in ((state, other_view), (viewpoint, near_time))
    )
    own, mixed = model.decode(states, viewpoints).float().chunk(2)
    return {"reconstruction": F.mse_loss(own, target), "swapped": F.mse_loss(mixed, target)}


def swapped(
    state: Float[Tensor, "episodes views times state"],
    viewpoint: Float[Tensor, "episodes views times viewpoint"],
) -> tuple[Tensor, Tensor]:
    """Per frame, the state of the next view and the viewpoint of the same view's next moment.

    Views come in a random order at every step, so the next one may be any other. The last moment
    takes the viewpoint of the one before it, since the first moment may be far away.
    """
    near_time = torch.cat([viewpoint[:, :, 1:], viewpoint[:, :, -2:-1]], dim=2)
    return state.roll(-1, dims=1), near_time


def _encoder(name: str, dim: int, pretrained: bool) -> nn.Module:
    if not timm.is_model(name):
        raise OptionError(f"timm has no model {name!r}; timm.list_models('regnet*') lists some")
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=dim)
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        raise missing_weights(name, error) from error


def _decoder(config: DisentangleConfig) -> nn.Module:
    doublings = (config.image // _SMALLEST).bit_length() - 1
    if config.image != _SMALLEST << doublings or not doublings:
        raise OptionError(f"--disentangle.image must be 8, 16, 32, 64, …, not {config.image}")
    width = config.channels
    layers: list[nn.Module] = [
        nn.Linear(config.state + config.viewpoint, width * _SMALLEST**2),
        nn.Unflatten(1, (width, _SMALLEST, _SMALLEST)),
        nn.ReLU(),
    ]
    for _ in range(doublings):
        narrower = max(width // 2, 16)  # so that the 4 groups of the norm keep 4 channels or more
        layers += [
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, narrower, 3, padding=1),
            nn.GroupNorm(4, narrower),
            nn.ReLU(),
        ]
        width = narrower
    return nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1), nn.Sigmoid())
