"""Episodes and frames a second of every world by number of workers, and memory over a long run.

Run: python tests/benchmarks/bench_generation.py
     python tests/benchmarks/bench_generation.py --envs pick --memory-env pick --memory-episodes 200

The rate counts from the first episode on disk to the last, so that neither the start of the
workers nor the loading of a simulator is in it. Memory is that of one worker, read after each of
its episodes; its slope is fitted to the second half, when caches have filled.
"""

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import tyro
from measuring import Row, apart, note, peak_resident, times

import sims
from datasets.episodes import EpisodeDataset, EpisodeWriter
from datasets.storage.meta import DatasetMeta
from sims.config import GenerateConfig
from sims.errors import SimulatorError
from sims.generate import describe, generate
from sims.production.worker import Generation, process_env


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
    for env in envs:
        base = 0.0
        for workers in options.workers:
            views, episodes, frames = apart(rates, env, workers, options)
            base = base or frames
            note(
                Row(
                    f"generating {env}, {views} views, {options.size}², {workers} workers",
                    "one worker" if workers > 1 else "",
                    times(frames / base) if workers > 1 else f"{frames:.0f} frames/s",
                    f"{frames:.1f} frames/s, {60 * episodes:.1f} episodes a minute",
                )
            )
    if options.memory_episodes and envs:
        env = options.memory_env or envs[0]
        meta = describe(GenerateConfig(env=env, size=options.size))
        note(apart(memory, meta, options.memory_episodes))


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


def memory(meta: DatasetMeta, episodes: int) -> Row:
    """Make episodes in this process, as a worker does, and say what it holds over time."""
    process, resident = psutil.Process(), []
    with tempfile.TemporaryDirectory() as folder:
        job = Generation(Path(folder), meta, seed=0)
        process_env(meta.env, len(meta.views) - 1, meta.image_size).reset(seed=0)
        before = process.memory_info().rss / 1e6
        writer = EpisodeWriter(job.root, job.meta)
        for index in range(episodes):
            job.make(index)
            writer.path(index).unlink()
            resident.append(process.memory_info().rss / 1e6)
    half = len(resident) // 2
    slope = np.polyfit(np.arange(half, len(resident)), resident[half:], 1)[0] if half > 1 else 0.0
    return Row(
        f"memory of a worker over {len(resident)} episodes of {meta.env}, {len(meta.views)} views, "
        f"{meta.image_size}²",
        "",
        f"{max(resident):.0f} MB at most",
        f"{before:.0f} MB before the first frame, {resident[0]:.0f} after the first episode, "
        f"{resident[half]:.0f} half-way, {resident[-1]:.0f} at the end, "
        f"{peak_resident() / 1e6:.0f} for a moment; {1000 * slope:+.0f} kB an episode in the "
        "second half",
    )


if __name__ == "__main__":
    main()
