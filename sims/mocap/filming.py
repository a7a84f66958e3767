"""A take as an episode: seen by the person's own eyes and by cameras all around."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, UInt8

from datasets.cameras import Camera
from datasets.episodes import Episode
from datasets.skeletons import NTU25
from sims.arguments import view_names
from sims.bullet.client import BulletClient
from sims.bullet.views import View, draw
from sims.mocap.take import Stage, Take, backdrop
from sims.rollout import Recording, done_at_end

SKELETON = NTU25
# The person faces between two cameras, which see it obliquely.
FIRST_AZIMUTH = 0.5


class Film:
    """A take that is recorded frame by frame; `sims.rollout.Seen`.

    Attributes:
        views: `ego` and `view_0` ….
    """

    def __init__(
        self, client: BulletClient, empty: BulletClient, take: Take, views: int, size: int
    ) -> None:
        """Draws the room, and puts the person into it.

        Args:
            client: The server of the person, whose simulation is emptied first.
            empty: The server of the room alone, before which the person is drawn in the view of
                its own moving eyes.
            take: The take.
            views: Number of third-person views.
            size: Height and width of the pictures in pixels.
        """
        self.views = view_names(views)
        azimuths = 2 * np.pi * (np.arange(views) + FIRST_AZIMUTH) / views
        self._client, self._empty, self._size = client, empty, size
        self._stage = Stage(client, take, azimuths.tolist(), 0.0, size)
        empty.call("resetSimulation")
        self._stage.furnish(empty)
        self._own = self._stage.person.own_segments(SKELETON)
        self._seen: dict[str, View] = {}

    def play(self) -> Iterator[None]:
        """Goes to each frame in turn."""
        for views in self._stage.play():
            eyes, light = self._stage.person.eyes(self._size), self._stage.light
            seen = draw(self._client, eyes, light).over(backdrop(self._empty, eyes, light))
            self._seen = dict(zip(self.views, (seen, *views), strict=True))
            yield

    def cameras(self) -> dict[str, Camera]:
        """The eyes as they stand now, and the cameras of the room."""
        eyes = self._stage.person.eyes(self._size)
        return dict(zip(self.views, (eyes, *self._stage.cameras), strict=True))

    def render_views(self) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        """The pictures of the current frame, upright RGB."""
        return {view: seen.image for view, seen in self._seen.items()}

    def keypoints(self) -> Float[np.ndarray, "keypoints 3"]:
        """World coordinates of the person's keypoints, in metres."""
        return self._stage.person.keypoints(SKELETON)

    def visible(self) -> dict[str, Bool[np.ndarray, " keypoints"]]:
        """Whether each view sees each keypoint, by segmentation and depth of the same pictures."""
        points, cameras = self.keypoints(), self.cameras()
        return {
            view: seen.sees(cameras[view], points, self._own) for view, seen in self._seen.items()
        }

    def person_masks(self) -> dict[str, Bool[np.ndarray, "height width"]]:
        """The pixels of each view that show the person."""
        return {view: seen.mask(self._stage.person.body) for view, seen in self._seen.items()}

    def state(self) -> Float[np.ndarray, " state"]:
        """Position and quaternion of the pelvis, then the quaternions of all joints."""
        return self._stage.person.posture()

    def model_file(self) -> None:
        """None: the seed makes the person and the room."""
        return None


def film(shot: Film, action: int, seed: int) -> Episode:
    """Records a take from its first frame on.

    Args:
        shot: The take.
        action: Number of the motion, which is the phase of all frames.
        seed: The number that stands for the take.
    """
    recording = Recording(shot)
    steps = 0
    for _ in shot.play():
        recording.look({})
        steps += 1
    return recording.episode(
        [action] * steps,
        rewards=np.zeros(steps),
        dones=done_at_end(steps),
        seed=seed,
        success=True,
    )
