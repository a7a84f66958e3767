"""Bodies of a PyBullet scene by name: their links, and the joints that move them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from sims.bullet.client import BulletClient
from sims.bullet.files import Placed, load_mjcf, load_urdf
from sims.errors import OptionError
from sims.survey import BACKGROUND, ROBOT

BASE = -1
# Names that PyBullet gives to the nameless links of MJCF.
_NAMELESS = re.compile(r"link\d+_\d+|aux_\d+")
# Joints without limits turn once in both directions.
ONE_TURN = (-2 * np.pi, 2 * np.pi)
# Force of joints whose file names none, in newtons or newton metres: that of a robot arm.
USUAL_FORCE = 200.0


class Joint(NamedTuple):
    """A joint that moves by one number, in radians or metres.

    Attributes:
        name: `body/joint`.
        body: Number of its body.
        number: Its number there, which is that of the link it moves.
        turns: Whether it turns; otherwise it slides.
        limited: Whether the file names limits.
        low: Least position.
        high: Greatest position.
        force: Largest force of its motor.
        speed: Largest speed of its motor; 0 for any.
    """

    name: str
    body: int
    number: int
    turns: bool
    limited: bool
    low: float
    high: float
    force: float
    speed: float


@dataclass(frozen=True)
class Body:
    """A body of the scene.

    Attributes:
        name: Its name in the scene.
        number: Its number in PyBullet.
        links: `body/link` of each link to its number; that of the base is -1. For each further link
            of the same name, there is no entry.
        parents: The number of each link to that of the link that carries it, from the base on.
        joints: The joints that move by one number.
        others: Numbers of the joints that move by several numbers.
        shown: The links that have a shape to be seen.
        free: Whether its base moves.
    """

    name: str
    number: int
    links: dict[str, int]
    parents: dict[int, int]
    joints: tuple[Joint, ...]
    others: tuple[int, ...]
    shown: frozenset[int]
    free: bool

    @property
    def stands(self) -> bool:
        """Whether nothing of it can move."""
        return not (self.free or self.joints or self.others)

    @property
    def points(self) -> list[str]:
        """The links with a name and a shape: the usual keypoints."""
        return [
            name
            for name, link in self.links.items()
            if link in self.shown and not _NAMELESS.fullmatch(name.partition("/")[2])
        ]

    def carriers(self, link: int) -> Iterator[int]:
        """The links that carry a link, from the nearest to the base."""
        while link != BASE:
            link = self.parents[link]
            yield link


def load_bodies(
    client: BulletClient, scene: Path | None, is_mjcf: bool, placed: dict[str, Placed]
) -> tuple[Body, ...]:
    """Adds the bodies of a scene to an empty simulation, always with the same numbers.

    Args:
        client: The physics server.
        scene: A URDF or MJCF file, if any.
        is_mjcf: Whether the scene is MJCF.
        placed: Further URDFs by name, whose paths are found.

    Raises:
        FormatError: When PyBullet cannot load a file.
        OptionError: When two bodies have the same name.
    """
    found = []
    if scene is not None:
        numbers = load_mjcf(client, scene) if is_mjcf else (load_urdf(client, Placed(scene)),)
        for number in numbers:
            base, robot = (word.decode() for word in client.call("getBodyInfo", number))
            # All bodies of an MJCF file have the model's name.
            name = base if is_mjcf else robot.removesuffix(".urdf") or scene.stem
            found.append(describe(client, number, name))
    for name, each in placed.items():
        found.append(describe(client, load_urdf(client, each), name))
    names = [body.name for body in found]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise OptionError(
            f"two bodies are called {repeated[0]!r}: give those of `bodies` other names."
        )
    return tuple(found)


def describe(client: BulletClient, number: int, name: str) -> Body:
    """Reads links and joints of a loaded body."""
    base = client.call("getBodyInfo", number)[0].decode()
    links, parents, joints, others = {f"{name}/{base}": BASE}, {}, [], []
    kinds = client.api
    for joint in range(client.call("getNumJoints", number)):
        info = client.call("getJointInfo", number, joint)
        links.setdefault(f"{name}/{info[12].decode()}", joint)
        parents[joint] = info[16]
        if info[2] in (kinds.JOINT_REVOLUTE, kinds.JOINT_PRISMATIC):
            joints.append(_joint(f"{name}/{info[1].decode()}", number, info, kinds.JOINT_REVOLUTE))
        elif info[2] != kinds.JOINT_FIXED:
            others.append(joint)
    shown = frozenset(shape[1] for shape in client.call("getVisualShapeData", number))
    free = client.call("getDynamicsInfo", number, BASE)[0] > 0
    return Body(name, number, links, parents, tuple(joints), tuple(others), shown, free)


def _joint(name: str, body: int, info: Sequence, turning: int) -> Joint:  # type: ignore[type-arg]
    low, high = info[8:10]
    limited = low < high
    if not limited:
        low, high = ONE_TURN
    force = info[10] or USUAL_FORCE
    return Joint(name, body, info[0], info[2] == turning, limited, low, high, force, info[11])


def require_names(bodies: Sequence[Body], actor: frozenset[int]) -> None:
    """Refuses names of things that masks give to the background and to the robot.

    Raises:
        OptionError: At the first such name.
    """
    for body in bodies:
        if body.number not in actor and body.name in (BACKGROUND, ROBOT):
            raise OptionError(
                f"no point lies on the body {body.name!r}, and masks give that name to another "
                "thing: give it another name in `bodies`."
            )


def link_pose(client: BulletClient, body: int, link: int) -> Float[np.ndarray, "4 4"]:
    """The transform from a link's frame in its file to the world, in metres."""
    if link == BASE:
        # PyBullet's pose of a base is that of its centre of mass.
        inertial = client.call("getDynamicsInfo", body, BASE)[3:5]
        back = client.api.invertTransform(*inertial)
        middle = client.call("getBasePositionAndOrientation", body)
        position, turn = client.api.multiplyTransforms(*middle, *back)
    else:
        position, turn = client.call("getLinkState", body, link, computeForwardKinematics=1)[4:6]
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = Rotation.from_quat(turn).as_matrix(), position
    return pose
