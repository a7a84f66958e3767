"""The world that renders a file of demonstrations: Lift, Can, or the file's own models alone."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from jaxtyping import Float

from datasets.cameras import Camera
from datasets.skeletons import Skeleton
from datasets.storage.episode_file import EGO
from sims.given_cameras import GivenCameras
from sims.production.worker import prepare_process
from sims.registry import make
from sims.robosuite.can import CanEnv
from sims.robosuite.demos import ROBOT, DemonstrationFile
from sims.robosuite.env import RobosuiteEnv
from sims.robosuite.lift import LiftEnv
from sims.robosuite.recorded import RecordedScene
from sims.rollout import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping

    import mujoco

# robosuite's name of a task to the name of its environment here, which knows the task's phases.
WORLDS = {env.task: env.name for env in (LiftEnv, CanEnv)}


class World(Seen, Protocol):
    """The scene that restores a demonstration and shows it from every view; see `RecordedScene`."""

    name: str
    skeleton: Skeleton
    phases: tuple[str, ...]
    control_hz: float

    @property
    def model(self) -> mujoco.MjModel: ...  # noqa: D102
    def load_episode(self, model_file: str) -> None: ...  # noqa: D102
    def set_state(self, state: Float[np.ndarray, " state"]) -> None: ...  # noqa: D102
    def observe(self) -> dict[str, np.ndarray]: ...  # noqa: D102
    def set_cameras(self, cameras: Mapping[str, Camera]) -> None: ...  # noqa: D102
    def move_cameras(self, cameras: Mapping[str, Camera]) -> None: ...  # noqa: D102
    def phase_now(self) -> int: ...  # noqa: D102
    def reward(self) -> float: ...  # noqa: D102
    def solved(self, rewards: np.ndarray | None) -> bool: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


@lru_cache(maxsize=1)
def opened(path: Path) -> DemonstrationFile:
    """The file, opened once a process: checking thousands of demonstrations takes a while."""
    return DemonstrationFile(path)


def world_name(file: DemonstrationFile) -> str:
    """Name of the world that renders a file."""
    if file.robots == [ROBOT] and file.task in WORLDS:
        return WORLDS[file.task]
    return file.world


def make_world(
    file: DemonstrationFile, views: int, size: int, cameras: GivenCameras | None = None
) -> World:
    """Makes the world that renders a file.

    Args:
        file: The demonstrations.
        views: Number of third-person views of the world's own.
        size: Height and width of the images in pixels.
        cameras: More third-person cameras; one with the name of a view replaces it.

    Raises:
        DataError: When the first demonstration cannot be restored.
        SimulatorError: When a simulator or the graphics driver is missing.
    """
    name = world_name(file)
    world: World
    if name in WORLDS.values():
        made = make(name, views=views, size=size)
        assert isinstance(made, RobosuiteEnv)
        world = made
    else:
        world = RecordedScene(file, views, size)
    if cameras is not None:
        own = {view: camera for view, camera in world.cameras().items() if view != EGO}
        world.set_cameras({**own, **cameras.cameras})
    return world


@lru_cache(maxsize=1)
def process_world(demos: Path, views: int, size: int, cameras: GivenCameras | None) -> World:
    """The one world of this process, with its graphics context."""
    prepare_process()
    return make_world(opened(demos), views, size, cameras)
