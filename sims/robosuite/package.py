"""robosuite itself, imported quietly and without what is not needed here."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sims.errors import SimulatorError
from sims.gl import INSTALL_ROBOSUITE, import_mujoco

# robosuite 1.5.2 cannot make its tasks with this MuJoCo or newer ones.
FIRST_BROKEN_MUJOCO = (3, 10)


def import_robosuite() -> Any:
    """Imports robosuite quietly.

    Raises:
        SimulatorError: When it or the graphics driver is not installed.
    """
    mujoco = import_mujoco()
    if tuple(int(part) for part in mujoco.__version__.split(".")[:2]) >= FIRST_BROKEN_MUJOCO:
        raise SimulatorError(
            f"robosuite's tasks cannot be made with MuJoCo {mujoco.__version__}. "
            "Run: pip install 'mujoco>=3.3,<3.10'"
        )
    # At import it warns about parts that are not used here (private macros, further robots, IK),
    # and later about each controller file that it loads.
    logging.getLogger("robosuite_logs").addFilter(_errors_only)
    try:
        import robosuite
    except ImportError as error:
        raise SimulatorError(
            f"robosuite does not import ({error}). Run: {INSTALL_ROBOSUITE}"
        ) from error
    return robosuite


def _errors_only(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


@contextmanager
def no_model_of_the_robot_alone() -> Iterator[None]:
    """Keeps robosuite from compiling the robot without its task: 130 MB, for other controllers."""
    from robosuite.models.robots import RobotModel

    compile_robot = RobotModel.set_mujoco_model
    RobotModel.set_mujoco_model = lambda *_: None
    try:
        yield
    finally:
        RobotModel.set_mujoco_model = compile_robot
