"""What one worker process does: make and write episodes, with one environment of its own."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import h5py

from datasets.episodes import EpisodeWriter
from datasets.storage.meta import DatasetMeta
from sims.env import MultiViewEnv
from sims.errors import SimulatorError
from sims.registry import make
from sims.rollout import attempt_of, episode_seed, record

# An expert succeeds nine times in ten, so this many failures in a row mean a fault.
MAX_ATTEMPTS = 20


class Job(Protocol):
    """A data set in the making, piece by piece; it is sent to each worker.

    Attributes:
        root: Folder of the data set.
    """

    @property
    def root(self) -> Path: ...  # noqa: D102

    def make(self, index: int) -> None:
        """Makes and writes one piece; the same one whatever this process made before."""
        ...

    def done(self) -> set[int]:
        """The pieces that are on disk."""
        ...


class EpisodeJob(Job, Protocol):
    """A data set whose pieces are episodes.

    Attributes:
        meta: What all of its episodes have in common.
    """

    @property
    def meta(self) -> DatasetMeta: ...  # noqa: D102

    def stranger(self, index: int, file: h5py.File) -> str | None:
        """Why a whole file under the name of an episode is another one; None when it is not."""
        ...


@dataclass(frozen=True)
class Generation:
    """A data set that an expert makes.

    Attributes:
        root: Folder of the data set.
        meta: What all of its episodes have in common.
        seed: Base seed.
    """

    root: Path
    meta: DatasetMeta
    seed: int

    def make(self, index: int) -> None:
        """Makes and writes one episode; the same one whatever this process made before.

        Raises:
            SimulatorError: When the expert fails `MAX_ATTEMPTS` times.
        """
        meta = self.meta
        env = process_env(meta.env, len(meta.views) - 1, meta.image_size)
        writer = EpisodeWriter(self.root, meta)
        for attempt in range(MAX_ATTEMPTS):
            episode = record(env, episode_seed(self.seed, index, attempt), meta.random_cameras)
            if episode is not None:
                writer.write(index, episode)
                return
        raise SimulatorError(
            f"The expert of {meta.env} failed {MAX_ATTEMPTS} times on episode {index}; "
            "see `python -m sims.doctor`."
        )

    def done(self) -> set[int]:
        """The episodes that are on disk."""
        return EpisodeWriter(self.root, self.meta).done()

    def stranger(self, index: int, file: h5py.File) -> str | None:
        """Why a whole file under the name of an episode is another one; None when it is not."""
        seed = int(file.attrs["seed"])
        known = attempt_of(self.seed, index, seed, MAX_ATTEMPTS) is not None
        return None if known else f"its seed is {seed}"


@lru_cache(maxsize=1)
def process_env(env: str, third_person_views: int, size: int) -> MultiViewEnv:
    """The environment of this process, with its one graphics context."""
    # One worker per core: the software rasterizer's own threads would only contend.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    return make(env, views=third_person_views, size=size)


def begin_worker(parent: int) -> None:
    """Makes this process leave Ctrl-C to its parent, and end with it.

    Args:
        parent: Process id. joblib's workers outlive a parent that is killed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)  # what is being written has a temporary name still

    threading.Thread(target=watch, daemon=True).start()
