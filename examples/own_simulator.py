"""Wrap your own simulator as a MultiViewEnv, and generate a data set from it.

    python examples/own_simulator.py --out data/crane --episodes 6

`crane.py` takes the place of your simulator. Once the class can be imported, the command takes it:
`python -m sims.generate --env my_package.my_world:CraneEnv`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from crane import Crane
from gymnasium.spaces import Box, Dict

from datasets.cameras import Camera
from datasets.command import command, parse
from datasets.episodes import EpisodeDataset
from datasets.skeletons import Skeleton, add_skeleton
from datasets.storage.episode_file import EGO
from sims.checker import check_multi_view_env
from sims.env import MultiViewEnv, Step, view_names
from sims.generate import GenerateConfig, generate

BODY = Skeleton("crane", ("base", "elbow", "wrist", "hook"), bones=((0, 1), (1, 2), (2, 3)))


class CraneEnv(MultiViewEnv):
    """The methods that `MultiViewEnv` requires, implemented by the simulator."""

    name, control_hz, phases = "crane", 10.0, ("swing", "hold")
    skeleton = add_skeleton(BODY)  # stored with every data set

    def __init__(self, views: int = 2, size: int = 64) -> None:
        self.views, self.size, self.sim = view_names(views), size, Crane()
        self.action_space = Box(-0.2, 0.2, (3,), np.float64)
        self.observation_space = Dict(  # type: ignore[assignment]
            {"angles": Box(-9, 9, (3,), np.float64)}
        )

    def begin(self, seed):
        self.sim.start(np.random.default_rng(seed))

    def observe(self):
        return {"angles": self.sim.angles}

    def step(self, action):
        self.sim.turn(action)
        success = self.success()
        return self.observe(), float(success), False, False, {"success": success}

    def expert(self, rng):
        speed = rng.uniform(0.06, 0.12)  # all variation comes from here and the seed of `begin`
        while not self.success():
            yield Step(np.clip(self.sim.goal - self.sim.angles, -speed, speed), phase=0)
        for _ in range(3):
            yield Step(np.zeros(3), phase=1)

    def cameras(self):
        # The first-person camera moves with the hook, the others stand still.
        eyes = {EGO: self.keypoints()[-1] + [0.3, -0.9, 0.5]}
        eyes |= {view: np.array([1.2 * i - 1, -2.2, 0.8]) for i, view in enumerate(self.views[1:])}
        middle, up = np.array([0, 0, 0.5]), np.array([0, 0, 1.0])
        return {v: Camera.look_at(e, middle, up, 60, *[self.size] * 2) for v, e in eyes.items()}

    def visible(self):  # compare depths too where objects can hide the body
        points = self.keypoints()
        return {v: c.contains(c.project(points)[0]) for v, c in self.cameras().items()}

    def render_views(self):
        return {view: self.sim.draw(camera) for view, camera in self.cameras().items()}

    def actor_masks(self):
        return {view: self.sim.mask(camera) for view, camera in self.cameras().items()}

    def keypoints(self):
        return self.sim.points()

    def success(self):
        return self.sim.arrived()

    def state(self):
        return np.concatenate([self.sim.angles, self.sim.goal])

    def set_state(self, state):
        self.sim.angles, self.sim.goal = np.array(state[:3]), np.array(state[3:])

    def renderer(self):
        return "numpy"

    def model_file(self):
        return None

    def env_args(self):
        return {"env_name": "crane", "type": 1, "env_kwargs": {}}


def main(out: Path = Path("data/crane"), episodes: int = 6, views: int = 2, size: int = 64) -> None:
    """Check the environment, generate episodes, and open them.

    Args:
        out: Folder of the data set.
        episodes: Number of episodes.
        views: Number of third-person views, in addition to `ego`.
        size: Height and width of the frames in pixels.
    """
    check_multi_view_env(CraneEnv(views, size))  # names the first requirement that is not met
    env = f"{Path(__file__).stem}:CraneEnv"  # a name, because other processes import it
    generate(GenerateConfig(env, views=views, episodes=episodes, size=size, out=out, workers=1))
    data = EpisodeDataset(out, "train")
    print(
        f"{out}: {len(data)} episodes to train on, of {data.lengths} steps, seen from {data.views}"
    )
    print(f"frames {data.images(0, 'ego').shape}, keypoints {data.keypoints(0, 'ego').shape}")
    print(f"next: python -m align.train --method paab --data {out}")


if __name__ == "__main__":
    with command():
        parse(main, "python examples/own_simulator.py")
