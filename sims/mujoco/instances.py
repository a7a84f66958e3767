"""The instances of a MuJoCo model: the robot, and each other tree of bodies that can be seen."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8

from datasets.storage.meta import MOST_INSTANCES
from sims.errors import SimulatorError
from sims.survey import BACKGROUND, ROBOT

if TYPE_CHECKING:
    import mujoco


class Instances(NamedTuple):
    """The instances of a model.

    Attributes:
        names: `background`, which holds the geoms of the world itself, `robot`, and the name of the
            first body of each other tree.
        of_geom: Position of each geom's instance in `names`, and as a last entry that of no geom.
    """

    names: tuple[str, ...]
    of_geom: UInt8[np.ndarray, " geoms_and_one"]


def find_instances(
    model: mujoco.MjModel, is_actor: Bool[np.ndarray, " bodies"], groups: Collection[int]
) -> Instances:
    """Finds the instances of a model.

    Args:
        model: The model.
        is_actor: The bodies whose trees are the robot.
        groups: The groups of geoms that are drawn.

    Raises:
        SimulatorError: When there are more instances than a byte can count.
    """
    roots = model.body_rootid[model.geom_bodyid]
    robot = np.isin(roots, model.body_rootid[is_actor])
    seen = np.isin(model.geom_group, list(groups)) & ~unseen(model)
    others = np.unique(roots[seen & ~robot & (roots > 0)])
    names = (BACKGROUND, ROBOT, *(model.body(i).name or f"body_{i}" for i in others))
    if len(names) > MOST_INSTANCES:
        raise SimulatorError(
            f"the scene has {len(names)} separate things, more than the {MOST_INSTANCES} that "
            "masks can tell apart: leave out --masks."
        )
    of_root = np.zeros(model.nbody, np.uint8)
    of_root[others] = np.arange(2, len(names))
    of_geom = np.where(robot, 1, of_root[roots])
    return Instances(names, np.append(of_geom, 0).astype(np.uint8))


def unseen(model: mujoco.MjModel) -> Bool[np.ndarray, " geoms"]:
    """The geoms that are fully transparent."""
    # A geom without a material has the number -1, which indexes the additional last entry.
    material = np.append(model.mat_rgba[:, 3], 1)[model.geom_matid]
    return (model.geom_rgba[:, 3] == 0) | (material == 0)
