"""A take: one subject performs one motion in one room, recorded by several cameras at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from datasets.skeletons import Skeleton
from sims.bullet.client import BulletClient
from sims.bullet.views import View, draw
from sims.mocap.body import Person
from sims.mocap.motion import ACTIONS, Style, load_motion, perform
from sims.mocap.room import Room, place_camera
from sims.mocap.subject import Subject

# Largest deviation of a person's heading from the camera it faces, in degrees, and of its position
# from the middle, in metres.
HEADING_DEGREES, PLACE = 10.0, 0.15


class Take(NamedTuple):
    """The identity of a take, which determines all of it.

    Attributes:
        seed: Seed of the data set.
        action: One of `ACTIONS`.
        subject: Number of the subject.
        repetition: Number of the subject's take of this action, from 0.
    """

    seed: tuple[int, ...]
    action: str
    subject: int
    repetition: int


class Stage:
    """A take in its own simulation.

    Attributes:
        cameras: The cameras.
        person: The acting person.
        motion: Motion of the person.
    """

    def __init__(
        self,
        client: BulletClient,
        take: Take,
        azimuths: Sequence[float],
        facing: float,
        size: int,
    ) -> None:
        """Draws the room, then replaces it in the simulation by the person.

        Args:
            client: The server, whose simulation is emptied first.
            take: The take.
            azimuths: Azimuths of the cameras, in radians from +x to +y.
            facing: Azimuth that the person faces, in radians.
            size: Height and width of the pictures in pixels.
        """
        subject_rng = np.random.default_rng([*take.seed, 0, take.subject])
        subject, style = Subject.draw(subject_rng), Style.draw(subject_rng)
        # The number among all actions: a take does not depend on the data set's actions.
        number = ACTIONS.index(take.action)
        rng = np.random.default_rng([*take.seed, 1, take.subject, number, take.repetition])
        self._client = client
        self.motion = perform(load_motion(take.action), style, rng)
        heading = facing + np.radians(rng.uniform(-HEADING_DEGREES, HEADING_DEGREES))
        place = rng.uniform(-PLACE, PLACE, 2)
        room = Room.draw(rng, np.array(azimuths))
        self.cameras = [place_camera(rng, azimuth, size) for azimuth in azimuths]
        self._light = room.light
        client.call("resetSimulation")
        room.build(client)
        self._backdrops = [draw(client, camera, room.light) for camera in self.cameras]
        client.call("resetSimulation")
        self.person = Person(client, subject)
        self._positions, self._turns = self.person.on_floor(self.motion, heading, place)

    def play(self) -> Iterator[list[View]]:
        """Poses the person as in each frame, and yields the cameras' views of it."""
        for position, turn, rotations in zip(
            self._positions, self._turns, self.motion.rotations, strict=True
        ):
            self.person.pose(position, turn, rotations)
            yield [
                draw(self._client, camera, self._light).over(backdrop)
                for camera, backdrop in zip(self.cameras, self._backdrops, strict=True)
            ]

    def pixels(self, skeleton: Skeleton) -> Float[np.ndarray, "cameras keypoints 2"]:
        """The keypoints of the current pose in each camera's pixels, hidden or not.

        Keypoints outside the picture are NaN.
        """
        points = self.person.keypoints(skeleton)
        found = []
        for camera in self.cameras:
            pixels, _ = camera.project(points)
            found.append(np.where(camera.contains(pixels)[:, None], pixels, np.nan))
        return np.stack(found)

    def joints(self, skeleton: Skeleton) -> Float[np.ndarray, "cameras joints 3"]:
        """The joints of the current pose in metres of each camera's frame, hidden or not.

        x points right, y down and z forward, see `datasets.cameras`.
        """
        points = self.person.keypoints(skeleton)
        moves = [camera.world_to_camera for camera in self.cameras]
        return np.stack([points @ move[:3, :3].T + move[:3, 3] for move in moves])
