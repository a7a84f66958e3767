"""A grid of runs: data sets × protocols × seeds × methods, run several at a time.

    <out>/<data>_<protocol>/<method>_seed<seed>/

Runs that are there already are kept and stopped ones taken up. A run that fails is told and left
out; the others go on.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from align.config import Method, Protocol, TrainConfig
from align.engine import finished
from align.evaluate import evaluate
from align.evaluation import evaluation_path, load_evaluation
from align.train import make_trainer
from datasets.errors import DataError

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
# In a worker: the share that is done of each run, in memory that it has in common with us.
_done: Any = None


@dataclass(frozen=True)
class Outcome:
    """What came of a run: its folder, or what went wrong."""

    config: TrainConfig
    error: BaseException | None = None


def plan(
    config: TrainConfig,
    data_sets: Sequence[Path],
    protocols: Sequence[Protocol],
    methods: Sequence[Method],
    seeds: Sequence[int],
    out: Path,
) -> list[TrainConfig]:
    """One configuration a run, in an order that makes an unfinished grid useful.

    First all of the first protocol, with one seed of every method on every data set before any
    gets a second.
    """
    return [
        replace(
            config,
            method=method,
            seed=seed,
            data=data,
            protocol=protocol,
            out=out / f"{data.name}_{protocol}" / f"{method.replace('+', '_')}_seed{seed}",
        )
        for protocol in protocols
        for seed in seeds
        for data in data_sets
        for method in methods
    ]


def run_all(
    configs: Sequence[TrainConfig], jobs: int, after_each: Callable[[], object]
) -> list[Outcome]:
    """Runs all configurations, `jobs` at a time, each in a process with its share of the cores.

    Args:
        configs: With their folders.
        jobs: Processes.
        after_each: Called whenever a run has ended.

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
        futures = [pool.submit(run_one, config, i) for i, config in enumerate(configs)]
        try:
            _follow(configs, futures, done, after_each)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [Outcome(c, f.exception()) for c, f in zip(configs, futures, strict=True)]


def run_one(config: TrainConfig, place: int) -> None:
    """Trains a run to its end unless it is there, and measures it on the test episodes."""
    trainer = make_trainer(config, progress=False, on_step=lambda share: _tell(place, share))
    folder = trainer.folder
    if not finished(folder):
        trainer.fit()
    if not _measured(folder, trainer.best_path):
        evaluate(folder, progress=False)
    _tell(place, 1.0)


def _measured(folder: Path, checkpoint: Path) -> bool:
    path = evaluation_path(folder, "test")
    if not path.exists() or path.stat().st_mtime < checkpoint.stat().st_mtime:
        return False
    try:
        load_evaluation(folder, "test")
    except DataError as error:  # of another version
        log.info("%s", error)
        return False
    return True


def start_worker(done: Any, threads: int) -> None:
    """Tells this process where to write how far its runs are, and its share of the cores."""
    global _done
    _done = done
    torch.set_num_threads(threads)


def _tell(place: int, share: float) -> None:
    if _done is not None:
        _done[place] = share


def _follow(
    configs: Sequence[TrainConfig],
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
