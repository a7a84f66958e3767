"""Make a world of PyBullet from files of your own, and generate a data set from it.

    python examples/own_bullet_scene.py --out data/reach --episodes 6

A KUKA arm of pybullet_data reaches for a cube. Once the class can be imported, the command takes
it: `python -m sims.generate --env my_package.my_world:Reach`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets.command import command, parse
from datasets.episodes import EpisodeDataset
from sims import BulletEnv
from sims.bullet.files import Placed
from sims.checker import check_multi_view_env
from sims.config import GenerateConfig
from sims.generate import generate
from sims.scenes.viewpoints import Viewpoint

HAND = "arm/lbr_iiwa_link_7"


class Reach(BulletEnv):
    """The arm goes over the cube, then down to it."""

    bodies = {  # noqa: RUF012
        "arm": "kuka_iiwa/model.urdf",
        "cube": Placed("cube_small.urdf", (0.6, 0.0, 0.05), scale=2),
        "floor": "plane.urdf",
    }
    home = (0.0, 0.5, 0.0, -1.4, 0.0, 1.2, 0.0)  # bent, so that it can move in all directions
    workspace = ((-0.1, -0.35, 0.0), (0.7, 0.35, 0.8))  # what the third-person cameras show
    ego = Viewpoint((-0.4, -0.4, 1.2), (0.5, 0.1, 0.1))  # over the arm's shoulder
    phases = ("approach", "lower")

    def randomize(self, rng):
        self.move_joints(rng)
        self.place("cube", (*rng.uniform((0.45, -0.3), (0.65, 0.3)), 0.05))

    def act(self):
        cube, steps = self.body_pose("cube")[:3, 3], self.rng.integers(12, 18)
        for height, phase in ((0.35, "approach"), (0.15, "lower")):
            start, goal = self.joint_positions(), self.reach_for(HAND, cube + [0, 0, height])
            for share in np.linspace(0, 1, steps):
                yield start + share * (goal - start), phase

    def solved(self):
        hand, cube = (self.body_pose(name)[:3, 3] for name in (HAND, "cube"))
        return np.linalg.norm(hand - cube) < 0.2


def main(
    out: Path = Path("data/reach"), episodes: int = 6, views: int = 3, size: int = 112
) -> None:
    """Check the world, generate episodes, and open them.

    Args:
        out: Folder of the data set.
        episodes: Number of episodes.
        views: Number of third-person views, in addition to `ego`.
        size: Height and width of the frames in pixels.
    """
    env = Reach(views=views, size=size)
    check_multi_view_env(env)  # names the first requirement that is not met
    env.close()
    name = f"{Path(__file__).stem}:Reach"  # a name, because other processes import it
    generate(GenerateConfig(name, views=views, episodes=episodes, size=size, out=out, workers=1))
    data = EpisodeDataset(out, "train")
    print(f"{out}: {len(data)} episodes to train on, seen from {data.views}")
    print(f"keypoints: {', '.join(data.skeleton.keypoints)}")
    print(f"next: python -m align.train --method paab --data {out}")


if __name__ == "__main__":
    with command():
        parse(main, "python examples/own_bullet_scene.py")
