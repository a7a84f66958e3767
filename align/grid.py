"""A grid of runs: data sets × protocols × seeds × methods, run several at a time.

    <out>/<data>_<protocol>/<method>[_<variant>]_seed<seed>/

Runs that are there already are kept and stopped ones taken up. A run that fails is told and left
out; the others go on.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from typing import Protocol as Interface

import torch
from tqdm import tqdm

from align.config import Method, Protocol, TrainConfig
from align.data import views_a_step
from align.engine import finished
from align.evaluate import evaluate
from align.evaluation import evaluation_path, load_evaluation
from align.protocols import require_testable, training_views
from align.run_names import run_name
from align.train import make_trainer
from datasets.errors import DataError
from datasets.meta import DatasetMeta

log = logging.getLogger(__name__)

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


def plan(
    config: TrainConfig,
    data_sets: Sequence[Path],
    protocols: Sequence[Protocol],
    methods: Sequence[Method],
    seeds: Sequence[int],
    out: Path,
    variant: str = "",
) -> list[TrainConfig]:
    """One configuration a run, in an order that makes an unfinished grid useful.

    First all of the first protocol, with one seed of every method on every data set before any
    gets a second.

    Args:
        config: What all have in common.
        data_sets: Folders of episodes.
        protocols: Which views.
        methods: What to compare.
        seeds: One run of every method each.
        out: Folder of all runs.
        variant: Part of the folders' names, by which runs of a method with other options stand
            beside these; of letters, digits, dots, dashes and underscores.

    Raises:
        ValueError: A variant with other characters.
    """
    if variant and not re.fullmatch(r"[\w.-]+", variant):
        raise ValueError(f"--variant is part of a folder's name, which {variant!r} cannot be")
    named = f"_{variant}" if variant else ""
    return [
        placed(replace(config, method=method), out, data, protocol, method + named, seed)
        for protocol in protocols
        for seed in seeds
        for data in data_sets
        for method in methods
    ]


def placed(
    config: TrainConfig, out: Path, data: Path, protocol: Protocol, name: str, seed: int
) -> TrainConfig:
    """One run of a grid: its data set, protocol and seed, and the folder that they make."""
    folder = group_folder(out, data, protocol) / run_name(name, seed)
    return replace(config, seed=seed, data=data, protocol=protocol, out=folder)


def group_folder(out: Path, data: Path, protocol: Protocol) -> Path:
    """Where a grid keeps the runs of one data set and protocol."""
    return out / f"{data.name}_{protocol}"


def check_views(configs: Iterable[TrainConfig]) -> None:
    """Looks, before anything is trained, whether every data set has the views that are asked for.

    Raises:
        DataError: When a protocol does not fit a data set, or what is learned its test.
        ValueError: When a step would draw more views than there are to train on.
    """
    for config in configs:
        root = config.training_data
        views_a_step(config.batch, training_views(config, DatasetMeta.load(root)), root)
        require_testable(config)


def run_all(
    configs: Sequence[PlacedConfig],
    jobs: int,
    after_each: Callable[[], object],
    work: Callable[[Any, int], None] | None = None,
) -> list[Outcome]:
    """Runs all configurations, `jobs` at a time, each in a process with its share of the cores.

    Args:
        configs: With their folders.
        jobs: Processes.
        after_each: Called whenever a run has ended.
        work: Takes a configuration and its place among them, and says with `tell` how far it is;
            `run_one` by default.

    Returns:
        One outcome a configuration, in their order.
    """
    chosen: Callable[[Any, int], None] = work or run_one
    threads = max(1, (os.cpu_count() or 1) // jobs)
    # Spawned, since a forked process would inherit torch's thread pools in an unknown state.
    context = multiprocessing.get_context("spawn")
    done = context.Array("d", len(configs))
    with ProcessPoolExecutor(
        jobs, mp_context=context, initializer=start_worker, initargs=(done, threads)
    ) as pool:
        futures = [pool.submit(chosen, config, i) for i, config in enumerate(configs)]
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


def run_one(config: TrainConfig, place: int) -> None:
    """Trains a run to its end unless it is there, and measures it on the test episodes."""
    trainer = make_trainer(config, progress=False, on_step=lambda share: tell(place, share))
    folder = trainer.folder
    if not finished(folder):
        trainer.fit()
    if not _measured(folder, trainer.best_path):
        evaluate(folder, progress=False)
    tell(place, 1.0)


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
