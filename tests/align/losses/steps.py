"""A small step, for the losses' tests."""

from __future__ import annotations

import torch
from torch import Tensor

WINDOW = 2


def step(seed: int = 0, views: int = 3, dim: int = 6) -> tuple[Tensor, Tensor]:
    """Embeddings of two episodes and their times, with near and far moments."""
    generator = torch.Generator().manual_seed(seed)
    times = torch.tensor([[0, 1, 4, 6, 9, 15], [2, 3, 5, 8, 11, 12]])
    z = torch.randn(2, views, times.shape[1], dim, generator=generator, dtype=torch.float64)
    return z, times


def squared(x: Tensor, y: Tensor) -> float:
    return (x - y).square().sum().item()
