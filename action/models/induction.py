"""3D-SIM: patch tokens learn the features of a network on joints in space.

Reilly and Das, "Just Add π! Pose Induced Video Transformers for Understanding Activities of Daily
Living", CVPR 2024. It is left out at inference.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from action.models.staged_model import SKELETON_WIDTH


class InducedOutput(NamedTuple):
    """The output of a transformer in training, with what 3D-SIM makes of its tokens."""

    embedding: Float[Tensor, "batch dim"]
    pose_logits: dict[int, Tensor]
    skeleton: Float[Tensor, "batch 256"]
    skeleton_logits: Float[Tensor, "batch classes"]


class SkeletonInduction(nn.Module):
    """A linear map of the mean of the patch tokens, and a classifier of its result.

    Published before the final norm; here after it, as the tokens leave the transformer.

    Args:
        dim: Width of the tokens.
        num_classes: Classes.
    """

    def __init__(self, dim: int, num_classes: int) -> None:
        """Make the layers."""
        super().__init__()
        self.project = nn.Linear(dim, SKELETON_WIDTH)
        self.classify = nn.Linear(SKELETON_WIDTH, num_classes)

    def forward(
        self, patches: Float[Tensor, "batch patches dim"]
    ) -> tuple[Float[Tensor, "batch 256"], Float[Tensor, "batch classes"]]:
        """The features that a network on joints would have, and the logits that they tell."""
        feature = self.project(patches.mean(dim=1))
        return feature, self.classify(feature)
