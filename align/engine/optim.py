"""The optimizer of a run, and its learning rate from step to step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.optim import Optimizer

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
}


@dataclass(frozen=True)
class OptimConfig:
    """Optimizer and schedule."""

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = 5e-4
    """Peak learning rate."""
    weight_decay: float = 0.05
    """On matrices only: biases, norms and embeddings of single vectors are left alone."""
    momentum: float = 0.9
    """sgd only, with Nesterov's correction."""
    warmup: float = 0.1
    """Share of all steps over which the learning rate rises linearly."""
    schedule: Literal["cosine", "constant", "steps"] = "cosine"
    """What the learning rate does after the warm-up; steps: a tenth from each of the milestones."""
    milestones: tuple[float, ...] = (11 / 15, 14 / 15)
    """steps only: shares of all steps (the paper's epochs 11 and 14 of 15)."""
    accumulate: int = 1
    """Parts that a step's batch is cut into, which pass through the model one after the other and
    add up their gradients: less memory for the same batch."""
    clip_norm: float = 1.0
    """Largest norm of the gradient; 0 does not clip."""
    patience: int = 0
    """Stop after so many validations without a better one; 0 never stops early."""


def learning_rate_factor(step: int, total_steps: int, config: OptimConfig) -> float:
    """Factor on the peak learning rate at a step: linear warm-up, then cosine or constant."""
    warmup_steps = int(config.warmup * total_steps)
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "steps":
        return 0.1 ** sum(step >= share * total_steps for share in config.milestones)
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * progress))


def build_optimizer(model: nn.Module, config: OptimConfig) -> Optimizer:
    """The optimizer, with weight decay on matrices only."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    options = {"momentum": config.momentum, "nesterov": True} if config.name == "sgd" else {}
    return OPTIMIZERS[config.name](groups, lr=config.lr, **options)
