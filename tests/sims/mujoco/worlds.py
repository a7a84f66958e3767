"""Small worlds from scene files, as a user writes them."""

import numpy as np

from sims import MujocoEnv
from tests import REPOSITORY

FOLDER = REPOSITORY / "tests" / "sims" / "mujoco"
SCENE, URDF = FOLDER / "arm.xml", FOLDER / "arm.urdf"
ARM = "tests.sims.mujoco.worlds:Arm"


class Arm(MujocoEnv):
    """An arm of two links that goes to a drawn pose and stays there."""

    scene = "arm.xml"
    points = ("base", "upper", "fore", "tip")
    phases = ("reach", "hold")

    def act(self):
        goal = self.rng.uniform(-1.2, 1.2, 2)
        for step in range(10):
            yield goal, "reach" if step < 7 else "hold"


class Filmed(Arm):
    """The same arm, seen by the cameras of its scene."""

    third_person = ("side", "front")
    ego = "wrist"


class Wild(Arm):
    """Its expert sends the joints to infinity."""

    def act(self):
        yield np.array([np.nan, 0.0])


def still(env):
    """An expert that stays where it is."""
    for _ in range(3):
        yield env.data.qpos[: env.action_space.shape[0]].copy()
