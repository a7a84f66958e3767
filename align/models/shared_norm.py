"""Batch norm over the batches of all processes: a step is the same on any number of them.

`torch.nn.SyncBatchNorm` runs on GPUs only, and tests with several processes run on a CPU.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce


class SharedBatchNorm(nn.BatchNorm1d):
    """`nn.BatchNorm1d` with the training statistics of all processes' batches together.

    In one process, and in evaluation, it is bit-identical to `nn.BatchNorm1d`. All processes must
    have batches of the same size, as they have in training.
    """

    def forward(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
        """Normalizes a process's batch."""
        processes = distributed.get_world_size() if distributed.is_initialized() else 1
        if processes == 1 or not self.training:
            return super().forward(x)
        mean = all_reduce(x.mean(dim=0)) / processes
        # From the differences: the mean of squares minus the square of the mean loses digits.
        variance = all_reduce((x - mean).square().mean(dim=0)) / processes
        self._follow(mean.detach(), variance.detach(), len(x) * processes)
        x = (x - mean) * torch.rsqrt(variance + self.eps)
        return x if self.weight is None else x * self.weight + self.bias

    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Moves the running statistics; their variance is the unbiased one, as in torch."""
        if self.running_mean is None or self.running_var is None or self.momentum is None:
            raise ValueError("a shared batch norm needs running statistics with a momentum.")
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
