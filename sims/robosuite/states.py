"""The layout of a recorded state: time, positions of joints, and velocities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from sims.gl import import_mujoco

if TYPE_CHECKING:
    import mujoco


def state_size(model: mujoco.MjModel) -> int:
    """Length of a state of a model."""
    return 1 + model.nq + model.nv


def rotation_lengths(
    model: mujoco.MjModel, states: Float[np.ndarray, "time state"]
) -> dict[str, Float[np.ndarray, " time"]]:
    """The lengths of the quaternions of bodies that turn freely, by the body's name.

    MuJoCo takes a quaternion of zeros for no rotation, and scales others to length 1.

    Args:
        model: The model of the states.
        states: Time, positions and velocities of each time step.
    """
    kinds = import_mujoco().mjtJoint
    # A free joint has three numbers for its place before those of its rotation.
    skipped = {int(kinds.mjJNT_FREE): 3, int(kinds.mjJNT_BALL): 0}
    found = {}
    for joint, kind in enumerate(model.jnt_type):
        if int(kind) in skipped:
            first = 1 + model.jnt_qposadr[joint] + skipped[int(kind)]
            body = model.body(model.jnt_bodyid[joint]).name
            found[body] = np.linalg.norm(states[:, first : first + 4], axis=1)
    return found
