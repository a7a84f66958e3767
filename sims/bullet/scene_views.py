"""Pictures of a scene of the user's files: what stands is drawn once for each episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from datasets.cameras import Camera
from sims.bullet.client import BulletClient
from sims.bullet.lighting import Lighting, random_color
from sims.bullet.views import SPAN, LayeredViews, Pose

# The farthest things that are drawn, relative to the far end of the workspace.
BEYOND = 2.0
# A new texture in place of none.
NO_TEXTURE = -1


class SceneViews(LayeredViews):
    """Views of bodies that are loaded already; the scenery is drawn at each episode's start."""

    def begin(
        self,
        fixed: Mapping[str, Camera],
        lighting: Lighting,
        standing: Sequence[int],
        moving: Sequence[int],
        corners: Float[np.ndarray, "corners 3"],
    ) -> None:
        """Draws the scenery for the cameras of an episode, before its first physics step.

        Args:
            fixed: The cameras that do not move, by view.
            lighting: Light and background.
            standing: Numbers of the bodies that never move: the scenery.
            moving: Numbers of all others.
            corners: World points in metres that all cameras must show, however far they are.
        """
        self._fixed, self._lighting = fixed, lighting
        self._span = _span(fixed, corners)
        self._bodies = self._poses(standing)
        velocities = {body: self._client.call("getBaseVelocity", body) for body in moving}
        with self._without(self._poses(moving)):
            self._draw_backdrops()
        for body, velocity in velocities.items():  # a body that is moved stops
            self._client.call("resetBaseVelocity", body, *velocity)

    def _poses(self, bodies: Sequence[int]) -> dict[int, Pose]:
        return {body: self._client.call("getBasePositionAndOrientation", body) for body in bodies}


def _span(cameras: Mapping[str, Camera], corners: Float[np.ndarray, "corners 3"]) -> tuple:  # type: ignore[type-arg]
    """Distances between which bodies are drawn; their ratio is always the same."""
    near, far = SPAN
    ends = [np.linalg.norm(corners - camera.position, axis=1).max() for camera in cameras.values()]
    farther = max(1.0, BEYOND * max(ends) / far)
    return near * farther, far * farther


def paint(client: BulletClient, body: int, rng: np.random.Generator) -> None:
    """Gives each shape of a body a colour of its own in place of its texture."""
    for shape in client.call("getVisualShapeData", body):
        client.call(
            "changeVisualShape",
            body,
            shape[1],
            rgbaColor=random_color(rng),
            textureUniqueId=NO_TEXTURE,
        )
