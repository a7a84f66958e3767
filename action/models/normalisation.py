"""How pixels are normalised for each network."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


class Normalisation(NamedTuple):
    """Mean and standard deviation of pixels from 0 to 1: one for all channels, or one for each."""

    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]

    def apply(
        self, frames: UInt8[Tensor, "batch 3 frames height width"]
    ) -> Float[Tensor, "batch 3 frames height width"]:
        """Pixels as the network takes them."""
        mean, std = (_by_channel(value, frames.device) for value in self)
        # In place, which gives the same numbers without two more copies of all clips.
        return (frames / 255).sub_(mean).div_(std)


def _by_channel(value: float | tuple[float, ...], device: torch.device) -> float | Tensor:
    if isinstance(value, (int, float)):
        return value
    return torch.tensor(value, device=device).view(-1, 1, 1, 1)


# Those of TimeSformer's training (paper appendix B).
TIMESFORMER = Normalisation(0.45, 0.225)
# From -1 to 1: I3D's, on which VPN and VPN++ stand, and Motionformer's.
SYMMETRIC = Normalisation(0.5, 0.5)
# ImageNet's, also of Video Swin, MMNet's pictures and Glimpse Clouds.
IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# Kinetics', of torchvision's S3D and 3D ResNets.
KINETICS = Normalisation((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))
# AssembleNet++'s files say no more than that pixels lie between 0 and 1.
UNIT = Normalisation(0.0, 1.0)
