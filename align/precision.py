"""Number formats of training and evaluation: float32, or bfloat16 where autocast allows it."""

from __future__ import annotations

from typing import Literal

import torch
from timm.layers import Attention
from torch import nn

Precision = Literal["auto", "fp32", "bf16"]


def uses_bf16(precision: Precision) -> bool:
    """Whether matrices are multiplied in bfloat16; auto does so on a GPU that has it."""
    if precision == "auto":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return precision == "bf16"


def attend_plainly(model: nn.Module) -> None:
    """Has timm's attentions in a model written out instead of taking torch's fused kernel.

    On a CPU in bfloat16, for the 50 tokens of a 112 x 112 image, the fused kernel takes three times
    as long, nearly all of it in its backward pass; `tests/benchmarks/bench_precision.py` measures.
    """
    for module in model.modules():
        if isinstance(module, Attention):
            module.fused_attn = False  # type: ignore[misc]
