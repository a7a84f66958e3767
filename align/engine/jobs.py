"""Runs several jobs at a time, each in a process with its share of the cores."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from typing import Protocol as Interface

import torch
from tqdm import tqdm

POLL_SECONDS = 1.0
# In a worker: the share that is done of each run, in memory that it has in common with us.
_done: Any = None


class PlacedConfig(Interface):
    """The options of a run that knows its folder."""

    @property
    def out(self) -> Path | None: ...  # noqa: D102


@dataclass(frozen=True)
class Outcome:
    """What came of a run: its folder, or what went wrong."""

    config: PlacedConfig
    error: BaseException | None = None


def run_all(
    configs: Sequence[PlacedConfig],
    jobs: int,
    after_each: Callable[[], object],
    work: Callable[[Any, int], None],
) -> list[Outcome]:
    """Runs all configurations, `jobs` at a time, each in a process with its share of the cores.

    Args:
        configs: With their folders.
        jobs: Processes.
        after_each: Called whenever a run has ended.
        work: Takes a configuration and its place among them, and says with `tell` how far it is.

    Returns:
        One outcome a configuration, in their order.
    """
    threads = max(1, (os.cpu_count() or 1) // jobs)
    # Spawned, since a forked process would inherit torch's thread pools in an unknown state.
    context = multiprocessing.get_context("spawn")
    done = context.Array("d", len(configs))
    with ProcessPoolExecutor(
        jobs, mp_context=context, initializer=start_worker, initargs=(done, threads)
    ) as pool:
        futures = [pool.submit(work, config, i) for i, config in enumerate(configs)]
        try:
            _follow(configs, futures, done, after_each)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [Outcome(c, f.exception()) for c, f in zip(configs, futures, strict=True)]


def require_success(outcomes: Sequence[Outcome]) -> None:
    """Tells which runs failed, and exits with 1 when any did."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    for outcome in failed:
        print(f"failed: {outcome.config.out}: {outcome.error}", file=sys.stderr)
    if failed:
        raise SystemExit(1)


def start_worker(done: Any, threads: int) -> None:
    """Tells this process where to write how far its runs are, and its share of the cores."""
    global _done
    _done = done
    torch.set_num_threads(threads)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    """Ends this process with another one, however that ends.

    A worker would else train on to the end of its run, unseen, beside whoever takes the run up.
    """
    parent.join()
    os._exit(1)  # what is being written has a temporary name still


def tell(place: int, share: float) -> None:
    """In a worker: tells the share that is done of a run."""
    if _done is not None:
        _done[place] = share


def _follow(
    configs: Sequence[PlacedConfig],
    futures: Sequence[Future[None]],
    done: Any,
    after_each: Callable[[], object],
) -> None:
    layout = "{percentage:3.0f}%|{bar}| {n:.2f}/{total} runs [{elapsed}<{remaining}]"
    with tqdm(total=len(configs), bar_format=layout, dynamic_ncols=True) as bar:
        waiting = dict(zip(futures, configs, strict=True))
        while waiting:
            time.sleep(POLL_SECONDS)
            for future in [future for future in waiting if future.done()]:
                config, error = waiting.pop(future), future.exception()
                bar.write(f"failed: {config.out}: {error}" if error else f"done: {config.out}")
                after_each()
            # A run that failed or stopped early is over, however far it came.
            shares = zip(futures, done[:], strict=True)
            bar.update(sum(1.0 if f.done() else share for f, share in shares) - bar.n)
