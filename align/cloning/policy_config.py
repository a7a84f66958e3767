"""Options of a cloned policy's training."""

from __future__ import annotations

from dataclasses import dataclass

from datasets.bounds import PositiveFloat, PositiveInt, Width


@dataclass(frozen=True)
class PolicyConfig:
    """How a policy is trained."""

    steps: PositiveInt = 5000
    """Optimizer steps."""
    batch: PositiveInt = 100
    """Time steps of a batch."""
    lr: PositiveFloat = 1e-3
    """Learning rate of Adam."""
    width: Width = 1024
    """Width of the policy's two hidden layers."""
