"""PAAT, the pose-aware auxiliary task: predict from patch tokens which keypoints they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import torch.nn.functional as F
from jaxtyping import Bool, Float
from timm.layers import trunc_normal_
from torch import Tensor, nn

from align.losses.config import PoseReduction
from align.models.config import PoseTarget
from datasets.errors import OptionError

_TARGETS: tuple[PoseTarget, ...] = get_args(PoseTarget)


class NoPoseLogitsError(ValueError):
    """Raised when PAAT's loss is asked for and the model gave no pose logits."""


class PoseAwareAuxiliaryTask(nn.Module):
    """Patch-keypoint classifier of two linear layers without activation (paper Eq. 7).

    It maps tokens to logits, which do not enter the backbone's forward pass.

    Args:
        dim: Width of the tokens.
        num_keypoints: Keypoints of the skeleton; needed unless the target is "p2d".
        bottleneck: Width between the layers (the paper's D_e).
        target: "p3d" is which keypoints lie in a patch, "p2d" whether any does, and "soft" how near
            each keypoint is to the patch's centre (`align.pose.soft_pose_map`).

    Raises:
        OptionError: An unknown target, or one that needs the number of keypoints without it.
    """

    def __init__(
        self,
        dim: int,
        num_keypoints: int | None,
        bottleneck: int = 256,
        target: PoseTarget = "p3d",
    ) -> None:
        """Make the two layers: truncated normal weights of 0.02, zero biases."""
        super().__init__()
        if target not in _TARGETS:
            raise OptionError(f"target must be one of {', '.join(_TARGETS)}, not {target!r}")
        channels = 1 if target == "p2d" else num_keypoints
        if not channels:
            raise OptionError(
                f"PAAT with target {target} needs num_keypoints, the skeleton's number"
            )
        self.target = target
        self.reduce = nn.Linear(dim, bottleneck)
        self.classify = nn.Linear(bottleneck, channels)
        for layer in (self.reduce, self.classify):
            trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(
        self, patches: Float[Tensor, "batch frames patches dim"]
    ) -> Float[Tensor, "batch frames patches keypoints"]:
        """Logits of the pose map; a sigmoid makes them probabilities."""
        return self.classify(self.reduce(patches))


def pose_loss(
    logits: Float[Tensor, "batch frames patches keypoints"],
    target: Bool[Tensor, ...] | Float[Tensor, "batch frames patches *keypoints"],
    reduction: PoseReduction = "mean",
) -> Float[Tensor, ""]:
    """Binary cross-entropy between PAAT's logits and the pose map (paper Eq. 8).

    Args:
        logits: One channel per keypoint, or a single one for the P2D target.
        target: P3D or its soft form, or P2D without the last axis. Single-channel logits take a
            P3D map too and compare with its P2D form.
        reduction: "mean" over everything (the paper's); "patch_sum" sums over the patches of an
            image and averages over keypoints and images, which is N times as much. A keypoint lies
            in one patch of many, so the plain mean gives the few positives almost no weight.

    Raises:
        ValueError: Shapes that do not fit.
        OptionError: An unknown reduction.
    """
    if target.ndim == logits.ndim - 1:
        target = target.unsqueeze(-1)
    elif logits.shape[-1] == 1:
        target = target.bool().any(dim=-1, keepdim=True)
    if target.shape != logits.shape:
        raise ValueError(
            f"the pose map {tuple(target.shape)} does not fit logits {tuple(logits.shape)}: "
            "make both from one skeleton, image size and patch size"
        )
    # In float32 also under autocast: the sum runs over thousands of small terms.
    scores = logits.float()
    loss = F.binary_cross_entropy_with_logits(scores, target.to(scores.dtype), reduction="none")
    if reduction == "mean":
        return loss.mean()
    if reduction == "patch_sum":
        return loss.sum(dim=-2).mean()
    raise OptionError(f"reduction must be 'mean' or 'patch_sum', not {reduction!r}")


def mean_pose_loss(
    pose_logits: Mapping[int, Float[Tensor, "batch frames patches keypoints"]],
    target: Bool[Tensor, ...] | Float[Tensor, "batch frames patches *keypoints"],
    reduction: PoseReduction = "mean",
) -> Float[Tensor, ""]:
    """``pose_loss`` averaged over the places where PAAT is inserted.

    Raises:
        NoPoseLogitsError: The model has no PAAT, or is in evaluation mode.
    """
    if not pose_logits:
        raise NoPoseLogitsError(
            "there are no pose logits: build the model with PAAT and put it in training mode"
        )
    losses = [pose_loss(logits, target, reduction) for logits in pose_logits.values()]
    return sum(losses[1:], start=losses[0]) / len(losses)
