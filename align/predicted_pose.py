"""Pose maps as PAAT predicts them, for a PAAB that needs no poses at inference.

This goes beyond the paper, whose PAAB takes the pose map from a pose estimator at inference too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class PoseFreeConfig:
    """Which patches PAAB takes for pose patches, going by PAAT's prediction."""

    threshold: float = 0.5
    """Least probability that a patch holds any keypoint."""
    top_k: int | None = None
    """Instead take so many patches of each frame, the likeliest ones."""
    mix: float = 0.0
    """Training: probability, image by image, of going by the predicted map as at inference;
    otherwise by the given one."""

    def __post_init__(self) -> None:
        """Refuse probabilities and numbers of patches that are none."""
        for name in ("threshold", "mix"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"--pose-free.{name} must be 0 to 1, not {getattr(self, name)}")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"--pose-free.top-k must be at least 1, not {self.top_k}")


def predicted_map(
    logits: Float[Tensor, "batch frames patches keypoints"], config: PoseFreeConfig
) -> Bool[Tensor, "batch frames patches"]:
    """The P2D map that PAAT's logits, P3D or P2D, stand for; no gradient flows through it."""
    probability = any_keypoint(logits.detach())
    if config.top_k is None:
        return probability >= config.threshold
    count = min(config.top_k, probability.shape[-1])
    likeliest = probability.topk(count, dim=-1).indices
    return torch.zeros_like(probability, dtype=torch.bool).scatter(-1, likeliest, True)


def any_keypoint(
    logits: Float[Tensor, "batch frames patches keypoints"],
) -> Float[Tensor, "batch frames patches"]:
    """Probability that a patch holds any keypoint, each being there independently of the rest."""
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
