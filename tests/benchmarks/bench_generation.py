"""Episodes and frames a second of every world by number of workers, and memory over a long run.

Run: python tests/benchmarks/bench_generation.py
     python tests/benchmarks/bench_generation.py --envs pick --memory-env pick --memory-episodes 200

The rate counts from the first episode on disk to the last, so that neither the start of the
workers nor the loading of a simulator is in it. Memory is that of one worker, read after each of
its episodes; its slope is fitted to the second half, when caches have filled.
"""

import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import tyro

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import sims  # noqa: E402
from datasets.episodes import EpisodeDataset, EpisodeWriter  # noqa: E402
from sims.config import GenerateConfig  # noqa: E402
from sims.errors import SimulatorError  # noqa: E402
from sims.generate import describe, generate  # noqa: E402
from sims.worker import Generation  # noqa: E402


@dataclass(frozen=True)
class Options:
    """Time generation.

    Attributes:
        envs: Environments; all that load by default.
        workers: Numbers of workers to compare.
        episodes: Episodes a worker in each timed run.
        size: Height and width of the images.
        memory_env: The environment whose worker's memory is watched; the first of --envs that
            loads by default.
        memory_episodes: Episodes that it makes; 200 for a figure to report, 0 for none.
    """

    envs: tuple[str, ...] = tuple(sims.ENVIRONMENTS)
    workers: tuple[int, ...] = (1, 2)
    episodes: int = 4
    size: int = 64
    memory_env: str | None = None
    memory_episodes: int = 20


def main() -> None:
    """Print a table of rates, then a line on memory."""
    options = tyro.cli(Options)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    envs = [env for env in options.envs if apart(loads, env)]
    print(f"{options.size}x{options.size}, load {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores")
    print(f"{'':12}{'workers':>8}{'views':>7}{'episodes/s':>12}{'frames/s':>10}{'speed-up':>10}")
    for env in envs:
        base = 0.0
        for workers in options.workers:
            views, episodes, frames = apart(rates, env, workers, options)
            base = base or frames
            print(
                f"{env:12}{workers:8}{views:7}{episodes:12.2f}{frames:10.1f}{frames / base:10.2f}",
                flush=True,
            )
    if options.memory_episodes and envs:
        print(apart(memory, options.memory_env or envs[0], options))


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function in a fresh process: no simulator's caches are carried into the next one."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        return executor.submit(function, *arguments).result()


def loads(env: str) -> bool:
    """Whether an environment's simulator is installed; says so where it is not."""
    try:
        sims.make(env, size=32).close()
    except SimulatorError as error:
        print(f"{env} is left out: {error}")
        return False
    return True


def rates(env: str, workers: int, options: Options) -> tuple[int, float, float]:
    """Views, episodes a second and frames of all views a second."""
    with tempfile.TemporaryDirectory() as folder:
        config = GenerateConfig(
            env=env,
            episodes=(options.episodes + 1) * workers,
            size=options.size,
            workers=workers,
            out=Path(folder) / "data",
            split="1,0,0",
        )
        generate(config)
        data = EpisodeDataset(config.root)
        written = np.array([path.stat().st_mtime for path in data.paths])
        order = np.argsort(written)
        # Each worker's first episode starts its clock.
        timed = order[workers:]
        seconds = written[order[-1]] - written[order[workers - 1]]
        frames = sum(data.lengths[i] for i in timed) * len(data.views)
        return len(data.views), len(timed) / seconds, frames / seconds


def memory(env: str, options: Options) -> str:
    """Make episodes in this process, as a worker does, and say what it holds over time."""
    process, resident = psutil.Process(), []
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        config = GenerateConfig(env=env, size=options.size, out=Path(folder))
        job = Generation(config.root, describe(config), config.seed)
        writer = EpisodeWriter(job.root, job.meta)
        for index in range(options.memory_episodes):
            job.make(index)
            writer.path(index).unlink()
            resident.append(process.memory_info().rss / 1e6)
    half = len(resident) // 2
    slope = np.polyfit(np.arange(half, len(resident)), resident[half:], 1)[0] if half > 1 else 0.0
    return (
        f"memory of a worker, {env}, {len(resident)} episodes in "
        f"{time.perf_counter() - begin:.0f} s: {resident[0]:.0f} MB after the first, "
        f"{resident[half]:.0f} MB half-way, {resident[-1]:.0f} MB at the end, at most "
        f"{max(resident):.0f} MB; slope of the second half {1000 * slope:+.0f} kB an episode"
    )


if __name__ == "__main__":
    main()
