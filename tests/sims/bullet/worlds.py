"""Small worlds of PyBullet's files, as a user writes them."""

import numpy as np

from sims import BulletEnv
from sims.bullet.files import Placed
from tests import REPOSITORY

URDF = REPOSITORY / "tests" / "sims" / "mujoco" / "arm.urdf"
ARM = "tests.sims.bullet.worlds:Arm"


class Arm(BulletEnv):
    """An arm over a table of sorts, on which a cube lies that it may push."""

    bodies = {  # noqa: RUF012
        "arm": "kuka_iiwa/model.urdf",
        "cube": Placed("cube_small.urdf", (0.5, 0.1, 0.05), turn=(0, 0, 20), scale=2),
        "floor": "plane.urdf",
    }
    home = (0.0, 0.5, 0.0, -1.4, 0.0, 1.2, 0.0)
    workspace = ((-0.2, -0.4, 0.0), (0.8, 0.4, 0.9))
    phases = ("reach", "push")

    def act(self):
        cube = self.body_pose("cube")[:3, 3] + self.rng.uniform(-0.02, 0.02, 3)
        for height in (0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1):
            place = cube + [0, 0, height]
            yield self.reach_for("arm/lbr_iiwa_link_7", place), "reach" if height > 0.1 else "push"


class Planar(BulletEnv):
    """An MJCF file: two links in a plane, and a target that slides."""

    scene = "mjcf/reacher.xml"
    points = ("link6_1/body0", "link6_1/body1", "link6_1/fingertip")
    joints = ("link6_1/joint0", "link6_1/joint1")

    def act(self):
        goal = self.rng.uniform(-1, 1, 2)
        for _ in range(8):
            yield goal


class Wild(Arm):
    """Its expert sends the joints to infinity."""

    def act(self):
        yield np.full(7, np.nan)


def still(env):
    """An expert that stays where it is."""
    for _ in range(3):
        yield env.joint_positions()
