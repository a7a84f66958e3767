"""Trains and measures methods side by side, several seeds each, and writes one table and report.

    python -m align.compare --methods deit paab paat --seeds 0 1 2
    python -m align.compare --data data/lift --seeds 0 --epochs 12 --out runs/quick

All options of `align.train` apply to every run. Runs that are there already are kept, stopped ones
taken up, so the command can be interrupted and given again.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import tyro
from tqdm import tqdm

from align.checkpoint import CheckpointError
from align.cli import interruptible, parse_recipe, set_up_logging, user_errors
from align.config import METHODS, Method, TrainConfig, recipe
from align.engine import NonFiniteLossError, finished, read_history
from align.evaluate import evaluate
from align.evaluation import evaluation_path
from align.report import REPORT_NAME, summary_of, write_report
from align.runs import load_runs
from align.summary import markdown_table
from align.train import make_trainer
from datasets.errors import DataError
from datasets.find import newest_data_set

POLL_SECONDS = 1.0


def plan(
    config: TrainConfig, methods: Sequence[Method], seeds: Sequence[int], out: Path
) -> list[TrainConfig]:
    """One configuration per method and seed, seeds outermost so that every method has one early."""
    return [
        replace(
            config, method=method, seed=seed, out=out / f"{method.replace('+', '_')}_seed{seed}"
        )
        for seed in seeds
        for method in methods
    ]


def run_one(config: TrainConfig, threads: int) -> Path:
    """Trains a run to its end unless it is there, and measures it on the test episodes."""
    torch.set_num_threads(threads)
    trainer = make_trainer(config, progress=False)
    folder = trainer.folder
    if not finished(folder):
        trainer.fit()
    test = evaluation_path(folder, "test")
    if not test.exists() or test.stat().st_mtime < trainer.best_path.stat().st_mtime:
        evaluate(folder, "test", progress=False)
    return folder


def run_all(configs: Sequence[TrainConfig], jobs: int) -> list[Path]:
    """Runs all configurations, `jobs` at a time, each in a process with its share of the cores."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    # Spawned, since a forked process would inherit torch's thread pools in an unknown state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        futures = [pool.submit(run_one, config, threads) for config in configs]
        try:
            _show_progress(configs, futures)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]


def _show_progress(configs: Sequence[TrainConfig], futures: Sequence[Future[Path]]) -> None:
    with tqdm(total=sum(c.epochs for c in configs), unit="epoch", dynamic_ncols=True) as bar:
        waiting = dict(zip(futures, configs, strict=True))
        while waiting:
            time.sleep(POLL_SECONDS)
            for future in [future for future in waiting if future.done()]:
                config = waiting.pop(future)
                bar.write(f"done: {future.result()} ({config.method}, seed {config.seed})")
            # A run that stopped early counts as whole.
            epochs = [c.epochs if c not in waiting.values() else _epochs(c) for c in configs]
            bar.update(sum(epochs) - bar.n)


def _epochs(config: TrainConfig) -> int:
    if config.out is None or not (history := config.out / "metrics.csv").exists():
        return 0
    return len(read_history(history))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    set_up_logging()
    arguments = list(sys.argv[1:] if arguments is None else arguments)

    defaults = recipe(parse_recipe(arguments))

    def run(
        config: Annotated[TrainConfig, tyro.conf.arg(name="")] = defaults,
        methods: tuple[Method, ...] = METHODS,
        seeds: tuple[int, ...] = (0, 1, 2),
        jobs: int = 1 if torch.cuda.is_available() else min(4, os.cpu_count() or 1),
    ) -> None:
        """Trains and measures methods side by side and writes one table and report.

        Args:
            config: All that a run depends on, but for method and seed; `--out` is the folder of
                all runs, runs/compare_<data> by default.
            methods: What to compare.
            seeds: One run of every method each.
            jobs: Runs at a time, each on its share of the cores.
        """
        with user_errors(DataError, CheckpointError, NonFiniteLossError, ValueError):
            data = config.data or newest_data_set()
            out = config.out or Path("runs") / f"compare_{data.name}"
            configs = plan(replace(config, data=data), methods, seeds, out)
            again = " ".join(["python -m align.compare", *arguments])
            with interruptible(again):
                folders = run_all(configs, jobs)
            report = write_report(folders, out / REPORT_NAME)
            print(markdown_table(summary_of(load_runs(folders, "test"))))
        print(f"report: {report}")

    tyro.cli(run, args=arguments, prog="python -m align.compare")


if __name__ == "__main__":
    main()
