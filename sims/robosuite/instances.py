"""The things in a task of robosuite, under short names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from sims.mujoco.instances import Instances, find_instances
from sims.mujoco.light_meshes import VISUAL_GROUP

if TYPE_CHECKING:
    import mujoco

ARM_PREFIXES = ("robot0_", "gripper0_")
# robosuite ends the name of an object's body with this.
OBJECT_SUFFIX = "_main"


def arm_bodies(model: mujoco.MjModel) -> Bool[np.ndarray, " bodies"]:
    """The bodies of the arm and the gripper."""
    names = [model.body(body).name for body in range(model.nbody)]
    return np.array([name.startswith(ARM_PREFIXES) for name in names])


def task_instances(model: mujoco.MjModel) -> Instances:
    """The background, the robot with its mount, and robosuite's furniture and objects."""
    # robosuite's other group holds marks of a controller's goals, which lie under the floor.
    found = find_instances(model, arm_bodies(model), (VISUAL_GROUP,))
    return found._replace(names=tuple(name.removesuffix(OBJECT_SUFFIX) for name in found.names))
