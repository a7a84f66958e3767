"""Pose maps from PAAT's prediction, for a PAAB that needs no poses at inference.

This goes beyond the paper, whose PAAB takes the pose map from a pose estimator at inference too.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from align.models.config import PoseFreeConfig


def predicted_map(
    logits: Float[Tensor, "batch frames patches keypoints"], config: PoseFreeConfig
) -> Bool[Tensor, "batch frames patches"]:
    """The P2D map that follows from PAAT's logits, P3D or P2D; no gradient flows through it."""
    probability = any_keypoint(logits.detach())
    if config.top_k is None:
        return probability >= config.threshold
    count = min(config.top_k, probability.shape[-1])
    likeliest = probability.topk(count, dim=-1).indices
    return torch.zeros_like(probability, dtype=torch.bool).scatter(-1, likeliest, True)


def any_keypoint(
    logits: Float[Tensor, "batch frames patches keypoints"],
) -> Float[Tensor, "batch frames patches"]:
    """Probability that a patch holds any keypoint, taking keypoints as independent."""
    return -torch.expm1(F.logsigmoid(-logits.float()).sum(dim=-1))


def mixed_map(
    given: Bool[Tensor, "batch frames patches"],
    predicted: Bool[Tensor, "batch frames patches"],
    mix: float,
) -> Bool[Tensor, "batch frames patches"]:
    """The predicted map with probability `mix`, image by image, else the given one.

    Draws from the global generator, as dropout does.
    """
    if not mix:
        return given
    drawn = torch.rand(len(given), 1, 1, device=given.device) < mix
    return torch.where(drawn, predicted, given)
