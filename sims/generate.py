"""Generates a data set of multi-view episodes with a scripted expert.

Examples:
    python -m sims.generate --env lift --views 4
    python -m sims.generate --env lift --views 9 --episodes 20 --size 112 --out data/lift9

It can be stopped with Ctrl-C, or killed, at any time: the same command goes on where it stopped,
and the result is the same to the byte, whatever the number of workers.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import joblib
import numpy as np
import tyro
from tqdm import tqdm

from datasets.checks import open_episode
from datasets.episodes import EpisodeWriter
from datasets.errors import DataError
from datasets.meta import DatasetMeta
from sims.errors import SimulatorError, UnknownNameError
from sims.registry import ENVIRONMENTS, make, require_known
from sims.rollout import attempt_of
from sims.splits import parse_split, split_episodes
from sims.worker import MAX_ATTEMPTS, Job, make_episode, make_episode_in_worker

PACKAGES = ("posealign", "robosuite", "mujoco", "numpy", "h5py")


@dataclass(frozen=True)
class GenerateConfig:
    """Generate a data set of multi-view episodes.

    Attributes:
        env: The environment.
        views: Number of third-person views, besides the first-person view `ego`.
        episodes: Number of successful episodes; failures are thrown away and counted.
        size: Height and width of the images, in pixels.
        seed: Base seed; an episode depends on it and on the episode's index alone.
        out: Folder of the data set; data/<env> by default.
        workers: Processes that work side by side; one per core by default.
        split: Shares of train, valid and test; counts when they sum to --episodes.
    """

    env: str = "lift"
    views: int = 4
    episodes: int = 60
    size: int = 224
    seed: int = 0
    out: Path | None = None
    workers: int | None = None
    split: str = "4,1,1"

    @property
    def root(self) -> Path:
        """The folder of the data set."""
        return Path("data") / self.env if self.out is None else self.out

    @property
    def num_workers(self) -> int:
        """The number of processes."""
        return joblib.cpu_count() if self.workers is None else self.workers

    @property
    def command(self) -> str:
        """The command line that makes this data set."""
        options = [
            f"--{f.name} {getattr(self, f.name)}"
            for f in fields(self)
            if f.name not in ("out", "workers")
        ]
        return f"python -m sims.generate {' '.join(options)} --out {shlex.quote(str(self.root))}"

    def check(self) -> None:
        """Raises a ValueError that names the value at fault and what is valid."""
        require_known("environment", self.env, ENVIRONMENTS)
        for name, value in (
            ("views", self.views),
            ("episodes", self.episodes),
            ("size", self.size),
            ("workers", self.num_workers),
        ):
            if value < 1:
                raise ValueError(f"--{name} must be at least 1, got {value}.")
        if self.seed < 0:
            raise ValueError(f"--seed must not be negative, got {self.seed}.")
        parse_split(self.split)


def describe(config: GenerateConfig) -> DatasetMeta:
    """What `meta.json` says of the data set."""
    env = make(config.env, views=config.views, size=config.size)
    try:
        return DatasetMeta(
            env=config.env,
            views=list(env.views),
            skeleton=env.skeleton.name,
            image_size=config.size,
            seed=config.seed,
            phases=list(env.phases),
            control_hz=env.control_hz,
            env_args=env.env_args(),
            versions=_versions(),
            command=config.command,
        )
    finally:
        env.close()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # not part of this environment's simulator
    return found


def generate(config: GenerateConfig) -> Path:
    """Makes the episodes that are not on disk yet, then the index.

    Returns:
        The index file.

    Raises:
        ValueError: For an option that is not valid.
        DataError: When the folder holds episodes made with other options.
        SimulatorError: When the simulator or the graphics driver is missing.
    """
    config.check()
    meta = describe(config)
    writer = EpisodeWriter(config.root, meta)
    writer.remove_leftovers()
    done = writer.done() & set(range(config.episodes))
    todo = [index for index in range(config.episodes) if index not in done]
    with tqdm(
        total=config.episodes, initial=len(done), unit="episode", desc=config.env, smoothing=0.05
    ) as bar:
        for _ in _run(Job(config.root, meta), config.num_workers, todo):
            bar.update()
    return writer.write_index(split_episodes(config.episodes, parse_split(config.split)))


def _run(job: Job, workers: int, todo: list[int]) -> Iterator[int]:
    workers = min(workers, max(len(todo), 1))
    if workers == 1:
        yield from (make_episode(job, index) for index in todo)
        return
    # Fresh processes (loky) rather than forks: a graphics context does not survive a fork.
    yield from joblib.Parallel(
        n_jobs=workers, return_as="generator_unordered", batch_size=1, pre_dispatch=workers
    )(joblib.delayed(make_episode_in_worker)(job, index) for index in todo)


def summarize(config: GenerateConfig) -> str:
    """What is on disk, and what to run next."""
    writer = EpisodeWriter(config.root, DatasetMeta.load(config.root))
    attempts, lengths = 0, []
    for index in range(config.episodes):
        with open_episode(writer.path(index)) as file:
            lengths.append(int(file.attrs["num_samples"]))
            attempt = attempt_of(config.seed, index, int(file.attrs["seed"]), MAX_ATTEMPTS)
        attempts += 1 if attempt is None else attempt + 1
    parts = split_episodes(config.episodes, parse_split(config.split))
    return (
        f"{config.root}: {config.episodes} episodes in {attempts} attempts "
        f"({attempts - config.episodes} failures thrown away), "
        f"{min(lengths)} to {max(lengths)} steps (median {int(np.median(lengths))}), "
        f"{', '.join(f'{name} {len(members)}' for name, members in parts.items())}.\n"
        f"Look at it:  python -m datasets.info {config.root}\n"
        f"Train on it: python -m align.train --method paab --data {config.root}"
    )


def main() -> None:
    """Command line."""
    config = tyro.cli(GenerateConfig, prog="python -m sims.generate")
    try:
        generate(config)
    except KeyboardInterrupt:
        sys.exit("\nStopped. The same command goes on where it stopped.")
    except (DataError, SimulatorError, UnknownNameError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(summarize(config))


if __name__ == "__main__":
    main()
