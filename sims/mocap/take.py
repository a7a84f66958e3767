"""A take: one subject performs one motion in one room, recorded by several cameras at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from datasets.cameras import Camera
from datasets.skeletons import Skeleton
from sims.bullet.client import BulletClient
from sims.bullet.views import LINK_SHIFT, View, draw
from sims.mocap.body import Person
from sims.mocap.body import facing as facing_turn
from sims.mocap.everyday.scene import Placing, Props
from sims.mocap.families import number_of, rehearse
from sims.mocap.motion import Style
from sims.mocap.room import place_camera
from sims.mocap.subject import Subject

# Largest deviation of a person's heading from the camera it faces, in degrees, and of its position
# from the middle, in metres.
HEADING_DEGREES, PLACE = 10.0, 0.15


class Take(NamedTuple):
    """The identity of a take, which determines all of it.

    Attributes:
        seed: Seed of the data set.
        action: One of an entry of `sims.mocap.families.FAMILIES`.
        subject: Number of the subject.
        repetition: Number of the subject's take of this action, from 0.
        rooms: Number of rooms that the takes of the data set share; None for a room of its own.
    """

    seed: tuple[int, ...]
    action: str
    subject: int
    repetition: int
    rooms: int | None = None

    def rng_of_room(self, own: np.random.Generator) -> np.random.Generator:
        """What the room is drawn from; `own` unless rooms are shared.

        A subject performs all actions of a repetition in one room, so that no room tells the class.
        """
        if self.rooms is None:
            return own
        place = np.random.default_rng([*self.seed, 2, self.subject, self.repetition])
        return np.random.default_rng([*self.seed, 3, int(place.integers(self.rooms))])


# Number of the room in the segments of a view, whose bodies are numbered as the person's are.
ROOM = (1 << LINK_SHIFT) - 1


def backdrop(client: BulletClient, camera: Camera, light: Mapping[str, Any]) -> View:
    """The view of an empty room."""
    view = draw(client, camera, light)
    return replace(view, segments=np.where(view.segments < 0, view.segments, ROOM))


class Stage:
    """A take in its own simulation.

    Attributes:
        cameras: The cameras.
        light: Options of the light for PyBullet's renderer.
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
        rng = np.random.default_rng(
            [*take.seed, 1, take.subject, number_of(take.action), take.repetition]
        )
        self._client = client
        act = rehearse(take.action, subject, style, rng)
        self.motion = act.motion
        heading = facing + np.radians(rng.uniform(-HEADING_DEGREES, HEADING_DEGREES))
        place = rng.uniform(-PLACE, PLACE, 2)
        self._room = act.rooms.draw(take.rng_of_room(rng), np.array(azimuths))
        self.cameras = [place_camera(rng, azimuth, size) for azimuth in azimuths]
        placing = Placing(facing_turn(heading), place)
        self._props = Props(act.props, placing, rng)
        self.light = self._room.light
        client.call("resetSimulation")
        self.furnish(client)
        self._backdrops = [backdrop(client, camera, self.light) for camera in self.cameras]
        client.call("resetSimulation")
        self.person = Person(client, subject)
        self._carried = self._props.build(client, moving=True)
        self._positions, self._turns = (
            placing(self.motion.root, Rotation.from_quat(self.motion.rotations[:, 0]))
            if act.on_floor
            else self.person.on_floor(self.motion, heading, place)
        )

    def furnish(self, client: BulletClient) -> None:
        """Adds the room, and what stands still in it, to a simulation."""
        self._room.build(client)
        self._props.build(client, moving=False)

    def play(self) -> Iterator[list[View]]:
        """Poses the person as in each frame, and yields the cameras' views of it."""
        frames = zip(self._positions, self._turns, self.motion.rotations, strict=True)
        for frame, (position, turn, rotations) in enumerate(frames):
            self.person.pose(position, turn, rotations)
            for prop in self._carried:
                prop.show(frame)
            yield [
                draw(self._client, camera, self.light).over(behind)
                for camera, behind in zip(self.cameras, self._backdrops, strict=True)
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
