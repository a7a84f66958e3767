"""The device's number format (float32, or bfloat16 through autocast), and memory on a CPU."""

from __future__ import annotations

import ctypes
import platform
from functools import lru_cache
from pathlib import Path

import torch
from timm.layers import Attention
from torch import nn

from align.engine.config import Precision

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h
_LARGEST_MMAP_THRESHOLD = 32 * 2**20  # glibc refuses more
_LARGEST_INT = 2**31 - 1

# Measured by tests/benchmarks/bench_precision.py on a processor with each of them.
_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


def keep_freed_memory() -> bool:
    """Tells glibc to keep freed memory; elsewhere does nothing and returns False."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = (
        (_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD),
        (_M_TRIM_THRESHOLD, _LARGEST_INT),
        (_M_TOP_PAD, 64 * 2**20),
    )
    return all([mallopt(option, value) == 1 for option, value in settings])


def import_compiler() -> None:
    """Imports torch's compiler, which torch else loads late, before anything is rendered.

    With Mesa's software renderer at work first, loading it ends the process.
    """
    import torch._dynamo  # noqa: F401


def uses_bf16(precision: Precision) -> bool:
    """Whether matrices are multiplied in bfloat16; auto does so on a GPU that has it."""
    if precision == "auto":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return precision == "bf16"


def processor_of(device: torch.device, precision: Precision) -> str:
    """What decides the digits of a measurement: `AMD EPYC (AVX512), fp32`.

    Generations of processors share a name, and sums round in another order with other
    instructions.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_title()
    return f"{name}, {'bf16' if uses_bf16(precision) else 'fp32'}"


def precision_hint(device: torch.device, precision: Precision) -> str | None:
    """Names the faster number format where `auto` leaves one out, which is on some CPUs only."""
    left_out = device.type == "cpu" and precision == "auto"
    if not left_out or cpu_flags().isdisjoint(_BF16_FLAGS):
        return None
    return "--precision bf16 trains up to twice as fast on this processor"


def _cpu_title() -> str:
    return f"{cpu_name()} ({torch.backends.cpu.get_cpu_capability()})"


def cpu_name() -> str:
    """The name of this machine's processor, as far as the system knows it."""
    return _cpu_info().get("model name") or platform.processor() or platform.machine() or "cpu"


def cpu_flags() -> frozenset[str]:
    """The extensions of this machine's instructions, as Linux lists them; none elsewhere."""
    return frozenset(_cpu_info().get("flags", "").split())


@lru_cache
def _cpu_info() -> dict[str, str]:
    """The first processor's properties, on Linux."""
    info = Path("/proc/cpuinfo")
    first = info.read_text().split("\n\n")[0] if info.exists() else ""
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def attend_plainly(model: nn.Module) -> None:
    """Has timm's attentions in a model written out instead of taking torch's fused kernel.

    On a CPU in bfloat16, for the 50 tokens of a 112 x 112 image, the fused kernel takes three times
    as long, nearly all of it in its backward pass; `tests/benchmarks/bench_precision.py` measures.
    """
    for module in model.modules():
        if isinstance(module, Attention):
            module.fused_attn = False  # type: ignore[misc]
