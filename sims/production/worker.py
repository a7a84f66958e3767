"""The work of one process: it makes and writes episodes with its own environment."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import h5py

from datasets.episodes import EpisodeWriter
from datasets.storage.meta import DatasetMeta
from sims.env import MultiViewEnv
from sims.errors import ProductionError
from sims.failures import FIRST_FAILURE
from sims.given_cameras import GivenCameras, moving_rig
from sims.memory import return_large_blocks
from sims.registry import GYMNASIUM, make
from sims.rollout import attempt_of, episode_seed, record, record_failure

# The experts succeed in about nine of ten attempts, so this many failures in a row mean a fault.
MAX_ATTEMPTS = 20
OWN_EXPERT = "its last step must solve the task: correct what acts, or when it counts as solved."
DOCTOR = "see `python -m sims.doctor`."


class Job(Protocol):
    """A data set that is made piece by piece; each worker receives a copy of it.

    Attributes:
        root: Folder of the data set.
    """

    @property
    def root(self) -> Path: ...  # noqa: D102

    def make(self, index: int) -> None:
        """Make and write one piece, which does not depend on what this process made before."""
        ...

    def done(self) -> set[int]:
        """Return the pieces that are on disk."""
        ...


class EpisodeJob(Job, Protocol):
    """A data set whose pieces are episodes.

    Attributes:
        meta: Description of the data set.
    """

    @property
    def meta(self) -> DatasetMeta: ...  # noqa: D102

    def stranger(self, index: int, file: h5py.File) -> str | None:
        """Say why an undamaged file is not the episode of its name; None when it is."""
        ...


@dataclass(frozen=True)
class Generation:
    """A data set of episodes by a scripted expert.

    Attributes:
        root: Folder of the data set.
        meta: Description of the data set.
        seed: Base seed.
        options: Arguments of the environment besides views and size, by name.
        cameras: Third-person cameras in place of the environment's own.
    """

    root: Path
    meta: DatasetMeta
    seed: int
    options: tuple[tuple[str, Any], ...] = ()
    cameras: GivenCameras | None = None

    def make(self, index: int) -> None:
        """Make and write one episode, which does not depend on what this process made before.

        Raises:
            ProductionError: When the expert fails `MAX_ATTEMPTS` times.
        """
        meta = self.meta
        env = process_env(
            meta.env, len(meta.views) - 1, meta.image_size, self.options, self.cameras
        )
        writer = EpisodeWriter(self.root, meta)
        on_paths = moving_rig(self.cameras)
        make_one = record if index < FIRST_FAILURE else record_failure
        for attempt in range(MAX_ATTEMPTS):
            episode = make_one(
                env,
                episode_seed(self.seed, index, attempt),
                meta.random_cameras,
                moving_cameras=meta.moving_cameras and on_paths is None,
                on_paths=on_paths,
                random_scenes=meta.random_scenes,
                depth=meta.depth,
                masks=bool(meta.masks),
            )
            if episode is not None:
                writer.write(index, episode)
                return
        end = "failed" if index < FIRST_FAILURE else "could not be made to fail"
        random = meta.env.startswith(GYMNASIUM) and "policy" not in dict(self.options)
        remedy = OWN_EXPERT if ":" in meta.env and index < FIRST_FAILURE else DOCTOR
        if random:
            remedy = "give one that solves the task: --policy MODULE:FUNCTION."
        raise ProductionError(
            f"The {'random policy' if random else 'expert'} of {meta.env} {end} {MAX_ATTEMPTS} "
            f"times on episode {index}; {remedy}"
        )

    def done(self) -> set[int]:
        """Return the episodes that are on disk."""
        return EpisodeWriter(self.root, self.meta).done()

    def stranger(self, index: int, file: h5py.File) -> str | None:
        """Say why an undamaged file is not the episode of its name; None when it is."""
        seed = int(file.attrs["seed"])
        known = attempt_of(self.seed, index, seed, MAX_ATTEMPTS) is not None
        return None if known else f"its seed is {seed}"


def prepare_process() -> None:
    """Prepare this process for its one environment, before that is made."""
    # There is one worker per core, so threads of the software rasterizer would only compete.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    return_large_blocks()


@lru_cache(maxsize=1)
def process_env(
    env: str,
    third_person_views: int,
    size: int,
    options: tuple[tuple[str, Any], ...] = (),
    cameras: GivenCameras | None = None,
) -> MultiViewEnv:
    """Return the one environment of this process, with its graphics context."""
    prepare_process()
    made = make(env, views=third_person_views, size=size, **dict(options))
    if cameras is not None:
        made.use_cameras(cameras.cameras)
    return made


def begin_worker(parent: int) -> None:
    """Make this process ignore Ctrl-C, which its parent handles, and exit when the parent exits.

    Args:
        parent: Process id of the parent. joblib's workers outlive a parent that is killed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        # An unfinished episode has a temporary name, so an abrupt exit leaves no damaged file.
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
