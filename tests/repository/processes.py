"""Processes that train, forked from a server that has imported everything and computed nothing.

A process that is forked from the test's own cannot train once any test has run a backward pass
within a backward pass there (as checkpointed activations do): PyTorch's autograd refuses.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.repository.tiny_runs"])


def start_process(target: Callable[..., None], *arguments: object) -> BaseProcess:
    """Starts a function of a module in a process of its own; arguments are pickled."""
    process = _SERVER.Process(target=target, args=arguments)
    process.start()
    return process


def exit_code(process: BaseProcess) -> int:
    """Waits for a process, for five minutes at most, and returns its exit code."""
    process.join(300)
    process.kill()
    process.join()
    return process.exitcode or 0
