"""Trains and measures several runs at a time, each in a process with its share of the cores."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from typing import Protocol as Interface

from align.engine.gpus import count_gpus
from align.engine.run_folder import RunFolder
from datasets.console.streams import print_error
from datasets.progress import ProgressBar
from datasets.storage.atomic import require_writable

if TYPE_CHECKING:
    from align.engine.trainer import Trainer

POLL_SECONDS = 1.0
# Each process has its own copy of torch, the model and its activations in memory.
_MOST_JOBS = 4
# In a worker: the share of each run that is done, an array in memory shared with the command.
_shares: Any = None


class PlacedConfig(Interface):
    """The options of a run that has a folder."""

    @property
    def out(self) -> Path | None: ...  # noqa: D102


@dataclass(frozen=True)
class Outcome:
    """The end of a run.

    Attributes:
        config: Options of the run.
        error: The exception that ended it; None after success.
    """

    config: PlacedConfig
    error: BaseException | None = None


@dataclass(frozen=True)
class Measurement:
    """A result that a run shall have.

    Attributes:
        path: The file that holds it.
        usable: Whether the file can be read and was measured as requested; called where it exists.
        make: Measures the run and writes the file.
    """

    path: Path
    usable: Callable[[], bool]
    make: Callable[[], object]


def default_jobs() -> int:
    """Runs at a time on this machine: one on a GPU, which a run fills, else up to four."""
    return 1 if count_gpus() else min(_MOST_JOBS, os.cpu_count() or 1)


def train_and_measure(
    open_trainer: Callable[[Callable[[float], object]], Trainer],
    measurements: Iterable[Measurement],
    place: int,
) -> None:
    """Trains a run to its end, and measures it; work that has been done is not repeated.

    Args:
        open_trainer: Opens the run; its argument is called after each step with the share of the
            steps that are done.
        measurements: Results that the run shall have. One is measured again when the best
            checkpoint is newer.
        place: Index of the run among those of `run_all`.
    """
    trainer = open_trainer(lambda share: report_share(place, share))
    run = RunFolder(trainer.folder)
    if not run.finished:
        trainer.fit()
    for wanted in measurements:
        if not (run.is_newer_than_checkpoint(wanted.path) and wanted.usable()):
            wanted.make()
    report_share(place, 1.0)


def run_all(
    configs: Sequence[PlacedConfig],
    jobs: int,
    after_each: Callable[[], object],
    work: Callable[[Any, int], None],
) -> list[Outcome]:
    """Does the work of all configurations, `jobs` at a time, each in a process of its own.

    A run that fails does not stop the others.

    Args:
        configs: Configurations with their folders.
        jobs: Number of processes, which share the cores equally.
        after_each: Called whenever a run has ended.
        work: Takes a configuration and its index, and calls `report_share` as it proceeds.

    Returns:
        One outcome for each configuration, in the same order.

    Raises:
        OSError: When the folder of a run cannot be written.
    """
    for config in configs:
        if config.out is not None:
            require_writable(RunFolder(config.out).config)
    threads = max(1, (os.cpu_count() or 1) // jobs)
    # Spawned, because a forked process would inherit torch's thread pools in an unknown state.
    context = multiprocessing.get_context("spawn")
    shares = context.Array("d", len(configs))
    # joblib, which generation uses, does not fit here. `joblib.Parallel` shows results only, no
    # futures, so a second thread would have to move the bar while runs train. At the first
    # exception it cancels all other calls. And its loky backend pickles what a worker starts with,
    # which the shared array of progress cannot be.
    with ProcessPoolExecutor(
        jobs, mp_context=context, initializer=start_worker, initargs=(shares, threads)
    ) as pool:
        futures = [pool.submit(work, config, i) for i, config in enumerate(configs)]
        try:
            _follow(configs, futures, shares, after_each)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [Outcome(c, f.exception()) for c, f in zip(configs, futures, strict=True)]


def require_success(outcomes: Sequence[Outcome]) -> None:
    """Names the runs that failed, and exits with 1 when any did."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    for outcome in failed:
        print_error(f"{outcome.config.out} failed: {outcome.error}")
    if failed:
        raise SystemExit(1)


def start_worker(shares: Any, threads: int) -> None:
    """Prepares a worker process.

    Args:
        shares: Shared array for the share of each run that is done.
        threads: Number of threads that torch may use; fewer where OMP_NUM_THREADS says so.
    """
    # The command itself imports this module for its help text, which does not need torch.
    import torch

    global _shares
    _shares = shares
    # Two threads that share one core wait for each other in every operation: a grid that was
    # started with OMP_NUM_THREADS=1 beside another took four times as long with more.
    torch.set_num_threads(min(threads, torch.get_num_threads()))
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    """Ends this process when another one ends, for whatever reason.

    A worker would otherwise train to the end of its run unseen, while the user resumes that run.
    """
    parent.join()
    os._exit(1)  # a file that is being written still has its temporary name


def report_share(place: int, share: float) -> None:
    """In a worker: publishes the share of a run that is done."""
    if _shares is not None:
        _shares[place] = share


def _follow(
    configs: Sequence[PlacedConfig],
    futures: Sequence[Future[None]],
    shares: Any,
    after_each: Callable[[], object],
) -> None:
    layout = "{percentage:3.0f}%|{bar}| {n:.2f}/{total} runs [{elapsed}<{remaining}]"
    with ProgressBar(total=len(configs), bar_format=layout, dynamic_ncols=True) as bar:
        waiting = dict(zip(futures, configs, strict=True))
        while waiting:
            time.sleep(POLL_SECONDS)
            for future in [future for future in waiting if future.done()]:
                config, error = waiting.pop(future), future.exception()
                bar.write(f"failed: {config.out}: {error}" if error else f"done: {config.out}")
                after_each()
            # A run that failed or stopped early is over, although its share is below 1.
            done = [1.0 if f.done() else s for f, s in zip(futures, shares[:], strict=True)]
            bar.update(sum(done) - bar.n)
