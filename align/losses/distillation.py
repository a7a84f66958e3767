"""Distillation of a joint embedding into one of its parts, by similarities in time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from align.losses.pairs import Embeddings, ordered_view_pairs


def distillation(student: Embeddings, partner: Embeddings, temperature: float) -> Float[Tensor, ""]:
    """Cross-entropy of the student's matches in time with those of the joint embedding.

    For every frame, the teacher's target is the softmax of its similarities to the frames of one
    other view, as in `contrastive`. The teacher is the student and its partner side by side; no
    gradient flows through it.

    Args:
        student: Embeddings of unit length.
        partner: Embeddings of unit length of the same frames.
        temperature: Divides the similarities.
    """
    teacher = torch.cat([student, partner], dim=-1).detach() / 2**0.5
    i, j = ordered_view_pairs(student.shape[1], student.device)
    own, target = (
        torch.einsum("eitd,ejsd->eijts", z, z)[:, i, j] / temperature for z in (student, teacher)
    )
    return F.cross_entropy(own.flatten(0, -2), target.flatten(0, -2).softmax(dim=-1))
