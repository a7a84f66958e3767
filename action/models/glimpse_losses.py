"""Losses of Glimpse Clouds on poses: to predict them, and to look where people's joints are.

Baradel et al., "Glimpse Clouds: Human Activity Recognition from Unstructured Feature Points",
CVPR 2018.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from action.models.glimpse_clouds import GlimpseOutput

# A joint's coordinates where there is no person.
ABSENT = -1.0


def is_present(
    skeletons: Float[Tensor, "batch frames persons joints 2"],
) -> Bool[Tensor, "batch frames persons"]:
    """Whether there is a person: an absent one has -1 everywhere."""
    return (skeletons != ABSENT).any(dim=(3, 4))


def pose_loss(
    predicted: Float[Tensor, "batch frames 2 joints 2"],
    skeletons: Float[Tensor, "batch frames 2 joints 2"],
) -> Float[Tensor, ""]:
    """Mean squared error of the joints of each person, summed over persons and frames.

    Where two persons are present, the prediction that is nearer to the first is taken for them.

    Args:
        predicted: Joints from -1 to 1.
        skeletons: True joints; a person who is absent has -1 everywhere, and only the second may
            be absent.
    """
    cost = (predicted[:, :, :, None] - skeletons[:, :, None]).square().mean(dim=(4, 5))
    keep = cost[:, :, 0, 0] + cost[:, :, 1, 1]
    exchange = cost[:, :, 1, 0] + cost[:, :, 0, 1]
    two = torch.where(cost[:, :, 1, 0] > cost[:, :, 0, 0], keep, exchange)
    of_frame = torch.where(is_present(skeletons)[:, :, 1], two, cost[:, :, 0, 0])
    return of_frame.sum(dim=1).mean()


def attraction(
    points: Float[Tensor, "batch frames glimpses 2"],
    skeletons: Float[Tensor, "batch frames persons joints 2"],
    each_axis: bool = False,
) -> Float[Tensor, ""]:
    """Squared distance of each glimpse to the nearest joint, summed over glimpses and frames.

    Args:
        points: Centres of glimpses from -1 to 1.
        skeletons: True joints.
        each_axis: Look for the nearest joint along x and along y apart, as the code does.
    """
    joints = skeletons.flatten(2, 3)
    apart = (points[:, :, :, None] - joints[:, :, None]).square()
    nearest = apart.amin(3).sum(-1) if each_axis else apart.sum(-1).amin(3)
    return nearest.sum(dim=(1, 2)).mean()


def diversity(points: Float[Tensor, "batch frames glimpses 2"]) -> Float[Tensor, ""]:
    """How near the glimpses of a frame are: 1 where they coincide; summed over frames."""
    apart = (points[:, :, :, None] - points[:, :, None]).square().mean(dim=(2, 3, 4))
    return (1 / (1 + apart)).sum(dim=1).mean()


def glimpse_loss(
    output: GlimpseOutput,
    skeletons: Float[Tensor, "batch frames 2 joints 2"],
    labels: Int[Tensor, " batch"],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Cross-entropy, a tenth of the pose loss, and where glimpses lie.

    Args:
        output: Output of `GlimpseClouds`.
        skeletons: True joints of each frame from -1 to 1, see `pose_loss`.
        labels: Classes.

    Returns:
        The loss, and its pose loss before it is weighed.
    """
    places, pose = output.points[..., :2], pose_loss(output.pose, skeletons)
    total = (
        F.cross_entropy(output.logits, labels)
        + 0.1 * pose
        + attraction(places, skeletons)
        + diversity(places)
    )
    return total, pose
