"""Makes episodes on several processes, and goes on when some of them are killed."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field
from typing import Any

import joblib
from tqdm import tqdm

from sims.config import Cluster
from sims.errors import SimulatorError
from sims.production.worker import Job, begin_worker

log = logging.getLogger(__name__)


class RayCluster:
    """Joins the cluster that RAY_ADDRESS names, or starts a Ray on this machine.

    Ray ends its workers with their driver and keeps Ctrl-C from them, so nothing of ours does.

    Attributes:
        deaths: What is raised when a worker dies.
        options: Of `joblib.Parallel`.
    """

    def __init__(self) -> None:
        """Connects, unless this process is connected already.

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
            ray.put(None)  # ray imports pyarrow where there is one, fitting or not
        except ConnectionError as error:
            raise SimulatorError(
                f"the Ray cluster does not answer ({error}); see RAY_ADDRESS."
            ) from None
        except ImportError as error:
            raise SimulatorError(f"ray is installed, but does not work here: {error}.") from None
        register_ray()
        self._ray = ray
        self.deaths: tuple[type[Exception], ...] = (
            ray.exceptions.RayActorError,
            ray.exceptions.OutOfMemoryError,  # by Ray's own memory monitor
        )
        self.options: dict[str, Any] = {"backend": "ray"}

    def fit(self, workers: int | None) -> int:
        """How many workers to start when so many are asked for; None asks for all that fit."""
        cores = int(self._ray.cluster_resources().get("CPU", 1))  # less once a machine is lost
        return cores if workers is None else min(workers, cores)


# An episode that was under way this often when a worker was killed is made alone, after all others:
# of several under way, any may have been the reason.
ALONE_AFTER = 2
# Then it is given up.
MAX_DEATHS = 5
# So many deaths without an episode in between are no accident of one episode.
MAX_DEATHS_IN_A_ROW = 10
WHY_KILLED = (
    "Memory that runs out is the usual reason (see `dmesg`; take fewer --workers), then a crash of "
    "the simulator (see `python -m sims.doctor`). Finished episodes are kept."
)


@dataclass(frozen=True)
class LocalProcesses:
    """Fresh processes of this machine (loky): a graphics context does not survive a fork."""

    deaths: tuple[type[Exception], ...] = (BrokenExecutor,)
    options: dict[str, Any] = field(
        default_factory=lambda: {
            "backend": "loky",
            "initializer": begin_worker,
            "initargs": (os.getpid(),),
        }
    )

    def fit(self, workers: int | None) -> int:
        """How many workers to start when so many are asked for; None asks for all that fit."""
        return workers or joblib.cpu_count()


def make_episodes(
    job: Job, todo: list[int], workers: int | None, cluster: Cluster, bar: tqdm
) -> None:
    """Makes and writes episodes, restarting workers that are killed.

    Args:
        job: The data set.
        todo: Indices of episodes, none of which is on disk.
        workers: Processes that work side by side; as many as there are cores when None.
        cluster: Where they are.
        bar: Moves on with every episode.

    Raises:
        SimulatorError: When workers die of one episode again and again, when a machine of the
            cluster writes elsewhere, and what the job raises.
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
            # joblib runs one in this process; where only one fits, Ray allows no more.
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
            raise SimulatorError(
                f"workers have written the episodes {elsewhere}, but not into {job.root} of this "
                "machine: --out must be a folder that all machines of the cluster share."
            )
    bar.n = bar.total
    bar.refresh()


class _Parallel(joblib.Parallel):
    """joblib's, with our progress bar."""

    def __init__(self, bar: tqdm, **options: Any) -> None:
        super().__init__(**options)
        self._bar, self._before = bar, bar.n

    def print_progress(self) -> None:
        self._bar.update(self._before + self.n_completed_tasks - self._bar.n)


def _calls(job: Job, batch: list[int], started: set[int]) -> Iterator[Any]:
    # joblib asks for the next call when a worker is free, so what was asked for is under way.
    for index in batch:
        started.add(index)
        yield joblib.delayed(_make)(job, index)


def _make(job: Job, index: int) -> None:
    job.make(index)


@dataclass
class _Deaths:
    """Deaths of workers.

    Attributes:
        of: Episode to how often a worker was killed while it was under way.
        in_a_row: How often since an episode was last finished.
    """

    of: Counter[int] = field(default_factory=Counter)
    in_a_row: int = 0

    def count(self, under_way: list[int], finished: int) -> None:
        self.of.update(under_way)
        self.in_a_row = 1 if finished else self.in_a_row + 1
        log.warning(
            "A worker was killed; workers start anew. Episodes that were under way: %s.",
            ", ".join(map(str, under_way)) or "none",
        )

    def require_hope(self, alone: bool) -> None:
        worst, times = max(self.of.items(), key=lambda item: item[1], default=(-1, 0))
        if alone and times >= MAX_DEATHS:
            raise SimulatorError(
                f"workers were killed {times} times while they made episode {worst}, "
                f"{times - ALONE_AFTER} times with nothing else under way. {WHY_KILLED}"
            )
        if self.in_a_row >= MAX_DEATHS_IN_A_ROW:
            raise SimulatorError(
                f"workers were killed {self.in_a_row} times without finishing an episode. "
                f"{WHY_KILLED}"
            )
