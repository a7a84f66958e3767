"""Workers on a Ray cluster, through joblib's Ray backend."""

from __future__ import annotations

import logging
from typing import Any

from sims.errors import SimulatorError


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
