"""The optimizer of a run, and its learning rate at every step."""

from __future__ import annotations

import math

from timm.optim import create_optimizer_v2, list_optimizers
from torch import nn
from torch.optim import Optimizer

from align.engine.config import OptimConfig
from datasets.errors import OptionError, require_known


def learning_rate_factor(step: int, total_steps: int, config: OptimConfig) -> float:
    """Factor on the peak learning rate at a step: linear warm-up, then the schedule.

    timm's schedulers draw the same curves but keep a state that a checkpoint would have to hold,
    and round differently. A function of the step alone needs no state, so a resumed run repeats an
    undisturbed one to the bit.
    """
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
    """The optimizer, with weight decay on matrices only.

    Raises:
        UnknownNameError: When timm has no optimizer of that name.
        OptionError: When the optimizer refuses a value, such as a negative learning rate.
    """
    require_known("optimizer", config.name, map(str, list_optimizers()))
    parameters = [p for p in model.parameters() if p.requires_grad]
    # timm's own grouping puts the parameters without decay first. The order is part of a stored
    # optimizer's state, so it stays as it is in the checkpoints that exist.
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    try:
        return create_optimizer_v2(groups, config.name, lr=config.lr, momentum=config.momentum)
    except ValueError as error:
        raise OptionError(f"--optim.name {config.name}: {error}") from error
