"""Third-person cameras that move during an episode: a slow sway about their place, and a tremor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import scipy  # loads scipy.spatial at its first use, which help texts do not need
from jaxtyping import Float

from datasets.cameras import Camera
from sims.env import MOTION_STREAM, MultiViewEnv

UP = np.array([0.0, 0.0, 1.0])
# The most that a camera leaves its place. It sways around the workspace and up and down about it,
# in degrees, and goes nearer and farther, as a share of its distance. These are small beside the
# arc between two views of a rig, and a robot that fills the picture stays in it.
AROUND, ABOVE, NEARER = 10.0, 4.0, 0.05
# The tremor of a hand turns it to the side, up and down, and about its axis, in degrees. The least
# margin of a rig's pictures is about 2 degrees wide.
ASIDE, UPWARD, ROLL = 0.8, 0.8, 0.8
MOST = np.array([AROUND, ABOVE, NEARER, ASIDE, UPWARD, ROLL])
# Every camera moves by at least this share of the most, so that none only seems to stand still.
LEAST_SHARE = 0.5
# Shortest and longest periods in seconds. Episodes last from two to twelve seconds, so that a
# sway turns back once or a few times.
SWAY_SECONDS, TREMOR_SECONDS = (5.0, 10.0), (1.0, 2.5)
SHORTEST, LONGEST = np.repeat([SWAY_SECONDS, TREMOR_SECONDS], 3, axis=0).T
# A camera that does not look at the actor turns about a point that is at least this far, in metres.
NEAREST_PIVOT = 0.3


@dataclass(frozen=True, eq=False)
class CameraMotion:
    """How each third-person camera of an episode moves.

    Attributes:
        cameras: View to camera, at the place that it moves about.
        distance: Distance along its axis of the point that a camera sways about, in metres.
        size: How far it goes in each of `MOST`.
        period: In seconds.
        phase: In radians.
    """

    cameras: Mapping[str, Camera]
    distance: Float[np.ndarray, " views"]
    size: Float[np.ndarray, "views parts"]
    period: Float[np.ndarray, "views parts"]
    phase: Float[np.ndarray, "views parts"]

    @classmethod
    def draw(
        cls, cameras: Mapping[str, Camera], middle: Float[np.ndarray, 3], rng: np.random.Generator
    ) -> CameraMotion:
        """Draws how cameras move.

        Args:
            cameras: View to camera, at the place that it moves about.
            middle: World point in metres as far from the cameras as what they show.
            rng: Source of all draws.
        """
        shape = (len(cameras), len(MOST))
        depth = [float(camera.project(middle)[1]) for camera in cameras.values()]
        return cls(
            cameras,
            np.maximum(depth, NEAREST_PIVOT),
            MOST * rng.uniform(LEAST_SHARE, 1.0, shape),
            rng.uniform(SHORTEST, LONGEST, shape),
            rng.uniform(0.0, 2 * np.pi, shape),
        )

    def at(self, seconds: float) -> dict[str, Camera]:
        """The cameras at a time since the start of the episode."""
        off = self.size * np.sin(2 * np.pi * seconds / self.period + self.phase)
        return {
            view: _moved(camera, distance, parts)
            for (view, camera), distance, parts in zip(
                self.cameras.items(), self.distance, off, strict=True
            )
        }


def _moved(camera: Camera, distance: float, parts: Float[np.ndarray, " parts"]) -> Camera:
    """The camera off its place by the parts of `MOST`."""
    around, above, nearer, *tremor = parts.tolist()
    rotation, pivot = camera.world_to_camera[:3, :3], np.array([0.0, 0.0, distance])
    # In the camera's own frame, the world turns about the pivot the other way.
    turns = np.radians([-above, 0.0, 0.0]), np.radians(-around) * (rotation @ UP)
    sway, turn = (scipy.spatial.transform.Rotation.from_rotvec(each).as_matrix() for each in turns)
    sway = sway @ turn
    shake = scipy.spatial.transform.Rotation.from_euler("yxz", tremor, degrees=True).as_matrix()
    pose = np.eye(4)
    pose[:3, :3] = shake @ sway
    pose[:3, 3] = shake @ (pivot * (1 - nearer) - sway @ pivot)
    return replace(camera, world_to_camera=pose @ camera.world_to_camera)


def draw_motion(env: MultiViewEnv, seed: int) -> CameraMotion:
    """How the third-person cameras of an episode that `reset` began move about their places."""
    cameras = env.cameras()
    return CameraMotion.draw(
        {view: cameras[view] for view in env.views[1:]},
        env.keypoints().mean(axis=0),
        np.random.default_rng([seed, MOTION_STREAM]),
    )
