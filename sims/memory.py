"""How glibc treats freed memory; other C libraries are left as they are.

By itself glibc gives a block back to the system only where it is as large as the largest block
freed so far, and a worker of Lift would keep 300 MB that compiling models, loading textures and
stacking pictures left behind.
"""

from __future__ import annotations

import ctypes
import sys

# The option's number in malloc.h. With 8 kB instead of 32, a worker of Lift holds 2 % less; with
# 128 kB, which is glibc's first value, 4 % more.
M_MMAP_THRESHOLD, LARGE = -3, 32 * 1024


def return_large_blocks() -> None:
    """From now on, each large block of this process goes back to the system when it is freed."""
    _glibc("mallopt", M_MMAP_THRESHOLD, LARGE)


def return_small_blocks() -> None:
    """Gives back the pages that hold freed blocks only."""
    _glibc("malloc_trim", 0)


def _glibc(name: str, *arguments: int) -> None:
    function = getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
    if function is not None:
        function(*arguments)
