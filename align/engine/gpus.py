"""Counts the NVIDIA GPUs of this machine without importing torch, which takes seconds."""

from __future__ import annotations

import ctypes
import sys


def count_gpus() -> int:
    """GPUs that the CUDA driver shows this process; CUDA_VISIBLE_DEVICES counts. 0 without one."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError:  # no driver is installed
        return 0
    count = ctypes.c_int(0)
    # Both functions return 0 on success. The driver fails to initialise where it finds no GPU.
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value
