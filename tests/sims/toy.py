"""A world so small that it can be killed often: a string of beads reaches for a point.

It keeps every promise of `MultiViewEnv`, and is named by path, as a simulator of a user's own is:
`tests.sims.toy:ToyEnv`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import gymnasium
import numpy as np

from datasets.cameras import Camera
from datasets.skeletons import PANDA
from datasets.storage.episode_file import EGO
from sims.env import MultiViewEnv, Step, view_names

BEAD = 0.05  # radius in metres
NEAR = 0.06  # metres from the target that count as success
STRIDE = 0.05  # metres of an action of 1
# Additional seconds of a step, and seeds that kill the process, as the tests set them.
PAUSE, DEADLY = "TOY_PAUSE", "TOY_DEADLY_SEEDS"


class ToyEnv(MultiViewEnv):
    """The last bead is the hand; the others hang between it and the origin."""

    name = "toy"
    skeleton = PANDA
    phases = ("reach", "hold")
    control_hz = 10.0

    def __init__(self, views: int = 2, size: int = 32) -> None:
        self.views, self.size = view_names(views), size
        self.action_space = gymnasium.spaces.Box(-1, 1, (3,), np.float64)
        self.observation_space = gymnasium.spaces.Dict(
            {"hand": gymnasium.spaces.Box(-9, 9, (3,), np.float64)}
        )
        self._hand, self._target = np.zeros(3), np.ones(3)

    def begin(self, seed):
        if str(seed) in os.environ.get(DEADLY, "").split(","):
            os.kill(os.getpid(), signal.SIGKILL)
        rng = np.random.default_rng(seed)
        self._hand = rng.uniform([0.2, -0.3, 0.3], [0.3, 0.3, 0.5])
        self._target = rng.uniform([0.5, -0.2, 0.1], [0.6, 0.2, 0.3])

    def step(self, action):
        time.sleep(float(os.environ.get(PAUSE, 0)))
        self._hand = self._hand + STRIDE * np.clip(action, -1, 1)
        return self.observe(), float(self.success()), False, False, {"success": self.success()}

    def expert(self, rng: np.random.Generator) -> Iterator[Step]:
        speed = rng.uniform(0.5, 0.9)
        while not self.success():
            way = self._target - self._hand
            yield Step(speed * way / np.linalg.norm(way) + rng.normal(0, 0.02, 3), 0)
        for _ in range(3):
            yield Step(rng.normal(0, 0.02, 3), 1)

    def failing_expert(self, rng, failure):
        return islice(ToyEnv.expert(self, rng), int(failure.integers(2, 5)))

    def keypoints(self):
        # A sagging string: beads at even parts of a parabola.
        s = np.linspace(0, 1, len(PANDA))[:, None]
        return s * self._hand + s * (1 - s) * np.array([0.0, 0.0, 0.4])

    def cameras(self) -> dict[str, Camera]:
        up, size = np.array([0.0, 0.0, 1.0]), self.size
        behind = self._hand + np.array([-0.8, 0.0, 0.3])
        found = {EGO: Camera.look_at(behind, self._target, up, 80.0, size, size)}
        for i, view in enumerate(self.views[1:]):
            angle = 2 * np.pi * (i + 0.3) / (len(self.views) - 1)
            eye = np.array([0.3 + 1.5 * np.cos(angle), 1.5 * np.sin(angle), 0.6])
            found[view] = Camera.look_at(eye, np.array([0.3, 0, 0.2]), up, 50.0, size, size)
        return found

    def visible(self):
        points = self.keypoints()
        return {v: camera.contains(camera.project(points)[0]) for v, camera in self._each()}

    def actor_masks(self):
        return {view: self._beads(camera).any(0) for view, camera in self._each()}

    def render_views(self):
        images = {}
        for view, camera in self._each():
            image = np.full((self.size, self.size, 3), 40, np.uint8)
            image[:, :, 2] += np.arange(self.size, dtype=np.uint8)
            for i, bead in enumerate(self._beads(camera)):
                image[bead] = (250 - 15 * i, 60 + 15 * i, 90)
            images[view] = image
        return images

    def success(self) -> bool:
        return bool(np.linalg.norm(self._target - self._hand) < NEAR)

    def state(self):
        return np.concatenate([self._hand, self._target])

    def set_state(self, state) -> None:
        self._hand, self._target = np.array(state[:3]), np.array(state[3:])

    def model_file(self) -> None:
        return None

    def env_args(self):
        return {"env_name": "toy", "type": 1, "env_kwargs": {}}

    def observe(self):
        return {"hand": self._hand.copy()}

    def _each(self):
        return self.cameras().items()

    def _beads(self, camera: Camera) -> np.ndarray:
        grid = np.stack(np.meshgrid(*[np.arange(self.size) + 0.5] * 2), axis=-1)
        pixels, depth = camera.project(self.keypoints())
        radius = camera.intrinsics[0, 0] * BEAD / np.maximum(depth, 0.1)
        return np.linalg.norm(grid - pixels[:, None, None], axis=-1) < radius[:, None, None]


class FrugalEnv(ToyEnv):
    """Fills the same arrays at every step, and hands them out as they are."""

    def __init__(self, views: int = 2, size: int = 32) -> None:
        super().__init__(views, size)
        self._arrays: dict[str, np.ndarray] = {}

    def keypoints(self):
        return self._filled("keypoints", super().keypoints())

    def render_views(self):
        return {
            view: self._filled(f"image {view}", x) for view, x in super().render_views().items()
        }

    def visible(self):
        return {view: self._filled(f"visible {view}", x) for view, x in super().visible().items()}

    def cameras(self):
        return {
            view: replace(camera, world_to_camera=self._filled(view, camera.world_to_camera))
            for view, camera in super().cameras().items()
        }

    def state(self):
        return self._filled("state", super().state())

    def observe(self):
        return {"hand": self.state()[:3]}

    def expert(self, rng):
        for step in super().expert(rng):
            yield Step(self._filled("action", step.action), step.phase)

    def _filled(self, name: str, value: np.ndarray) -> np.ndarray:
        array = self._arrays.setdefault(name, np.empty_like(value))
        array[...] = value
        return array
