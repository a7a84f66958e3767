"""A tiny simulator in place of yours: a crane of three joints, drawn with numpy."""

from __future__ import annotations

import numpy as np

from datasets.cameras import Camera

LINK, THICK = 0.4, 0.06  # metres
CRANE, BACKGROUND = (250, 90, 90), (30, 40, 60)


class Crane:
    """Three links that turn in a plane until their joints have the goal's angles."""

    def __init__(self) -> None:
        """Start upright, at the goal."""
        self.angles = self.goal = np.zeros(3)

    def start(self, rng: np.random.Generator) -> None:
        """Draw the joints' angles and their goal, in radians."""
        self.angles, self.goal = rng.uniform(0.2, 0.8, 3), rng.uniform(-0.9, -0.3, 3)

    def turn(self, by: np.ndarray) -> None:
        """Turn the joints by these angles in radians."""
        self.angles = self.angles + by

    def arrived(self) -> bool:
        """Whether every joint is near its goal."""
        return bool(np.abs(self.goal - self.angles).max() < 0.05)

    def points(self) -> np.ndarray:
        """Positions of base, elbow, wrist and hook: (4, 3) in metres."""
        turn = np.cumsum(self.angles)
        links = LINK * np.stack([np.sin(turn), np.zeros(3), np.cos(turn)], axis=1)
        return np.concatenate([np.zeros((1, 3)), np.cumsum(links, axis=0)])

    def mask(self, camera: Camera) -> np.ndarray:
        """The pixels that show the crane, drawn as beads along its links."""
        points = self.points()
        beads = np.linspace(points[:-1], points[1:], 12).reshape(-1, 3)
        pixels, depth = camera.project(beads)
        x, y = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
        away = np.hypot(x[..., None] - pixels[:, 0], y[..., None] - pixels[:, 1])
        return (away < camera.intrinsics[0, 0] * THICK / depth).any(axis=-1)

    def draw(self, camera: Camera) -> np.ndarray:
        """The image of a camera, RGB."""
        return np.where(self.mask(camera)[..., None], CRANE, BACKGROUND).astype(np.uint8)
