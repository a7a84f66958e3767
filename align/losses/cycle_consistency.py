"""Temporal cycle-consistency (Dwibedi et al. 2019): go to another view and come back in time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from align.losses.config import TccConfig
from align.losses.pairs import Embeddings, Times, ViewTimes, ordered_view_pairs, times_of_views

# In squared time steps: the clock's step bounds how exactly a return can be placed.
LEAST_VARIANCE = 1.0


def tcc(z: Embeddings, times: Times | ViewTimes, config: TccConfig) -> Float[Tensor, ""]:
    """Cycle-back regression over every ordered pair of views.

    A frame u_i of one view finds its soft nearest neighbour v among the frames of the other, and v
    a distribution beta over the frames of the first: the moment returned to has mean mu and
    variance s2, and the loss is (t_i - mu)^2 / s2 + weight * log(s2) / 2, in time steps. The
    variance is at least one squared time step, since a distribution on a single frame has none.
    """
    z = F.normalize(z, dim=-1)
    first, second = ordered_view_pairs(z.shape[1], z.device)
    # Squared distances of unit vectors, up to a constant that cancels in the softmax.
    there = torch.einsum("eitd,ejsd->eijts", z, z)[:, first, second] * 2 / config.temperature
    neighbours = there.softmax(dim=-1) @ z[:, second]
    distance = torch.cdist(neighbours.flatten(0, 1), z[:, first].flatten(0, 1))
    back = rearrange(distance, "(e p) t s -> e p t s", p=len(first)).square()
    beta = (-back / config.temperature).softmax(dim=-1)
    started = times_of_views(times, z.shape[1])[:, first].to(z.dtype)
    moment = started[:, :, None, :]
    mean = (beta * moment).sum(-1, keepdim=True)
    variance = (beta * (moment - mean).square()).sum(-1).clamp(min=LEAST_VARIANCE)
    error = (started - mean.squeeze(-1)).square()
    return (error / variance + config.variance_weight * variance.log() / 2).mean()
