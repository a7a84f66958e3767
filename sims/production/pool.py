"""Make episodes in several processes, and replace processes that are killed."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field
from typing import Any

import joblib

from datasets.progress import ProgressBar
from sims.config import Cluster
from sims.errors import ProductionError, SimulatorError
from sims.production.worker import Job, begin_worker

log = logging.getLogger(__name__)


class RayCluster:
    """The Ray cluster that RAY_ADDRESS names, or a Ray on this machine.

    Ray itself ends its workers with their driver and keeps Ctrl-C from them, so its workers need no
    `begin_worker`.

    Attributes:
        deaths: Exceptions that say that a worker died.
        options: Arguments for `joblib.Parallel`.
    """

    def __init__(self) -> None:
        """Connect, unless this process is connected already.

        Raises:
            SimulatorError: When ray is not installed or broken, or the cluster does not answer.
        """
        try:
            import ray
            from ray.util.joblib import register_ray
        except ImportError as error:
            raise SimulatorError(
                f"--cluster ray needs ray ({error}): pip install 'posealign[ray]'."
            ) from None
        try:
            if not ray.is_initialized():
                ray.init(include_dashboard=False, logging_level=logging.ERROR)
            # The first use of Ray imports pyarrow, which fails here when its version does not fit.
            ray.put(None)
        except ConnectionError as error:
            raise SimulatorError(
                f"the Ray cluster does not answer ({error}); see RAY_ADDRESS."
            ) from None
        except ImportError as error:
            raise SimulatorError(f"ray is installed but does not work here: {error}.") from None
        register_ray()
        self._ray = ray
        self.deaths: tuple[type[Exception], ...] = (
            ray.exceptions.RayActorError,
            ray.exceptions.OutOfMemoryError,  # by Ray's own memory monitor
        )
        self.options: dict[str, Any] = {"backend": "ray"}

    def fit(self, workers: int | None) -> int:
        """Return the number of workers to start for a requested number; None requests all cores."""
        # The number shrinks when the cluster loses a machine, so it is asked for every time.
        cores = int(self._ray.cluster_resources().get("CPU", 1))
        return cores if workers is None else min(workers, cores)


# After this many deaths of a worker during an episode, it is made alone, after all others: any of
# the episodes that were being made at the time may have killed the worker.
ALONE_AFTER = 2
# After this many deaths of a worker during an episode, generation stops.
MAX_DEATHS = 5
# After this many deaths without a finished episode in between, the cause is not one episode.
MAX_DEATHS_IN_A_ROW = 10
WHY_KILLED = (
    "The usual cause is too little memory (see `dmesg`; use fewer --workers), then a crash of the "
    "simulator (see `python -m sims.doctor`). Finished episodes are kept."
)


@dataclass(frozen=True)
class LocalProcesses:
    """New processes on this machine, not forks: a graphics context does not survive a fork.

    Attributes:
        deaths: Exceptions that say that a worker died.
        options: Arguments for `joblib.Parallel`.
    """

    deaths: tuple[type[Exception], ...] = (BrokenExecutor,)
    options: dict[str, Any] = field(
        default_factory=lambda: {
            "backend": "loky",
            "initializer": begin_worker,
            "initargs": (os.getpid(),),
        }
    )

    def fit(self, workers: int | None) -> int:
        """Return the number of workers to start for a requested number; None requests all cores."""
        return workers or joblib.cpu_count()


def make_episodes(
    job: Job, todo: list[int], workers: int | None, cluster: Cluster, bar: ProgressBar
) -> None:
    """Make and write episodes, restarting workers that are killed.

    Args:
        job: The data set.
        todo: Indices of episodes, none of which is on disk.
        workers: Number of processes; None for one per core.
        cluster: Machines that the processes run on.
        bar: Moves on with every episode.

    Raises:
        ProductionError: When workers die during one episode again and again, or when a machine of
            the cluster writes into another folder; and errors of the job.
    """
    if not todo:
        return
    place = LocalProcesses() if cluster == "local" else RayCluster()
    if cluster == "local" and min(place.fit(workers), len(todo)) == 1:
        for index in todo:
            job.make(index)
            bar.update()
        return
    deaths = _Deaths()
    while missing := sorted(set(todo) - job.done()):
        together = [index for index in missing if deaths.of[index] < ALONE_AFTER]
        batch = together or [min(missing, key=lambda index: deaths.of[index])]
        bar.n = bar.total - len(missing)
        started: set[int] = set()
        side_by_side = min(place.fit(workers), len(batch))
        parallel = _Parallel(
            bar,
            # With n_jobs=1, joblib makes episodes in this process, which a crash would end; so it
            # is at least 2 where two fit, and pre_dispatch limits how many run in parallel.
            n_jobs=max(place.fit(2), side_by_side),
            batch_size=1,
            pre_dispatch=side_by_side,
            **place.options,
        )
        try:
            parallel(_calls(job, batch, started))
        except place.deaths:
            left = set(missing) - job.done()
            deaths.count(sorted(started & left), finished=len(missing) - len(left))
            deaths.require_hope(alone=not together)
            continue
        if elsewhere := sorted(set(batch) - job.done()):
            raise ProductionError(
                f"workers have written the episodes {elsewhere}, but not into {job.root} on this "
                "machine: --out must be a folder that all machines of the cluster share."
            )
    bar.n = bar.total
    bar.refresh()


class _Parallel(joblib.Parallel):
    """joblib's class, with a progress bar."""

    def __init__(self, bar: ProgressBar, **options: Any) -> None:
        super().__init__(**options)
        self._bar, self._before = bar, bar.n

    def print_progress(self) -> None:
        self._bar.update(self._before + self.n_completed_tasks - self._bar.n)


def _calls(job: Job, batch: list[int], started: set[int]) -> Iterator[Any]:
    # joblib takes the next call when a worker is free, so a call that was taken has started.
    for index in batch:
        started.add(index)
        yield joblib.delayed(_make)(job, index)


def _make(job: Job, index: int) -> None:
    job.make(index)


@dataclass
class _Deaths:
    """The deaths of workers so far.

    Attributes:
        of: Number of deaths while each episode was being made.
        in_a_row: Number of deaths since an episode was last finished.
    """

    of: Counter[int] = field(default_factory=Counter)
    in_a_row: int = 0

    def count(self, under_way: list[int], finished: int) -> None:
        self.of.update(under_way)
        self.in_a_row = 1 if finished else self.in_a_row + 1
        log.warning(
            "A worker was killed; the workers are restarted. Episodes in progress: %s.",
            ", ".join(map(str, under_way)) or "none",
        )

    def require_hope(self, alone: bool) -> None:
        worst, times = max(self.of.items(), key=lambda item: item[1], default=(-1, 0))
        if alone and times >= MAX_DEATHS:
            raise ProductionError(
                f"workers were killed {times} times while they made episode {worst}, "
                f"{times - ALONE_AFTER} times with no other episode in progress. {WHY_KILLED}"
            )
        if self.in_a_row >= MAX_DEATHS_IN_A_ROW:
            raise ProductionError(
                f"workers were killed {self.in_a_row} times without finishing an episode. "
                f"{WHY_KILLED}"
            )
