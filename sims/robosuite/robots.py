"""The robots in a model of robosuite, whatever the task: keypoints, fingers and hands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from datasets.errors import MismatchError
from datasets.kinematics.points import MAX_DEPTH_IN_LINK
from datasets.skeletons import PANDA, Skeleton, add_skeleton
from sims.arm import panda
from sims.mujoco.points import find_points

if TYPE_CHECKING:
    import mujoco

# robosuite numbers robots and their grippers, and names each part after its own.
PART = re.compile(r"(robot|gripper)(\d+)_")


@dataclass(frozen=True, eq=False)
class Robots:
    """The robots of a model.

    Attributes:
        skeleton: Names and bones of all keypoints, robot after robot.
        bodies: The body that carries each keypoint, by number.
        offsets: Place of each in that body's frame, in metres.
        own_bodies: For each, the bodies whose surface shows it.
        depth: How deep each may lie under such a surface, in metres.
        are_pandas: Whether all are Pandas with their own gripper.
        own: Whether each body of the model belongs to a robot or a gripper; mounts do not.
        finger: For each body, the body that begins its finger; -1 outside of fingers.
        hands: The first body of each gripper.
    """

    skeleton: Skeleton
    bodies: Int[np.ndarray, " keypoints"]
    offsets: Float[np.ndarray, "keypoints 3"]
    own_bodies: list[frozenset[int]]
    depth: Float[np.ndarray, " keypoints"]
    are_pandas: bool
    own: Bool[np.ndarray, " bodies"]
    finger: Int[np.ndarray, " bodies"]
    hands: list[int]

    def positions(self, data: mujoco.MjData) -> Float[np.ndarray, "keypoints 3"]:
        """Where the keypoints are in a state, in world metres."""
        rotations = data.xmat[self.bodies].reshape(-1, 3, 3)
        return data.xpos[self.bodies] + np.einsum("kij,kj->ki", rotations, self.offsets)


def find_robots(model: mujoco.MjModel, names: str) -> Robots:
    """The robots of a model.

    Pandas have the keypoints of Lift. Of other robots, the keypoints are the origins of the links
    that a joint moves, of the hands, and of the last link of each finger.

    Args:
        model: A model with the names of robosuite 1.5.
        names: Names of the robots, from which that of a skeleton of links is made.

    Raises:
        MismatchError: When the model has no robot, or no joint moves it.
    """
    body = [model.body(i).name for i in range(model.nbody)]
    parts = [PART.match(name) for name in body]
    numbers = sorted({part[2] for part in parts if part and part[1] == "robot"})
    if not numbers:
        raise MismatchError(
            "its model has no robot of robosuite, whose bodies are called robot0_…, and keypoints "
            "are those of a robot. Replay a file of a task with a robot."
        )
    is_gripper = np.array([bool(part and part[1] == "gripper") for part in parts])
    finger = _fingers(model, is_gripper)
    own = np.array([part is not None for part in parts])
    hands = [i for i in np.flatnonzero(is_gripper).tolist() if not is_gripper[_above(model, i)]]
    place = {name: i for i, name in enumerate(body)}
    wanted = {number: _panda_bodies(number) for number in numbers}
    if all(name in place for bodies in wanted.values() for name in bodies.values()):
        return Robots(*_pandas(wanted, place), True, own, finger, hands)
    links = [body[i] for i in _links(model, parts, finger, hands)]
    if not links:
        raise MismatchError(
            "no joint moves its robot, so it has no keypoints: choose another file."
        )
    found = find_points(model, "its model", names, links, ())
    offsets = np.zeros((len(links), 3))
    linked = (found.skeleton, found.bodies, offsets, found.own_bodies, found.depth)
    return Robots(*linked, False, own, finger, hands)


def _above(model: mujoco.MjModel, body: int) -> int:
    return int(model.body_parentid[body])


def _fingers(model: mujoco.MjModel, is_gripper: np.ndarray) -> Int[np.ndarray, " bodies"]:
    """For each body of a gripper, the topmost one above it, or itself, that a joint moves."""
    finger = np.full(model.nbody, -1)
    for body in np.flatnonzero(is_gripper).tolist():  # carriers come first
        inherited = int(finger[_above(model, body)])
        finger[body] = body if inherited < 0 and model.body_dofnum[body] else inherited
    return finger


def _panda_bodies(number: str) -> dict[str, str]:
    """The bodies that carry keypoints, of robot 0, to those of another robot."""
    bodies = {
        body for point in panda.KEYPOINTS.values() for body in (point.body, *point.own_bodies)
    }
    return {body: body.replace("0_", f"{number}_", 1) for body in bodies}


def _pandas(
    wanted: dict[str, dict[str, str]], place: dict[str, int]
) -> tuple[Skeleton, np.ndarray, np.ndarray, list[frozenset[int]], np.ndarray]:
    points = [
        point.renamed(bodies) for bodies in wanted.values() for point in panda.KEYPOINTS.values()
    ]
    return (
        _panda_skeleton([f"robot{number}" for number in wanted]),
        np.array([place[point.body] for point in points]),
        np.array([point.offset for point in points]),
        [frozenset(place[name] for name in point.own_bodies) for point in points],
        np.full(len(points), MAX_DEPTH_IN_LINK),
    )


def _panda_skeleton(robots: list[str]) -> Skeleton:
    """The Panda's skeleton, or that of several, whose mirror image swaps fingers alone."""
    if len(robots) == 1:
        return PANDA
    first = [i * len(PANDA) for i in range(len(robots))]
    return add_skeleton(
        Skeleton(
            f"panda-{len(robots)}",
            tuple(f"{robot}_{point}" for robot in robots for point in PANDA.keypoints),
            tuple((a + i, b + i) for i in first for a, b in PANDA.bones),
            tuple((a + i, b + i) for i in first for a, b in PANDA.flip_pairs),
        )
    )


def _links(
    model: mujoco.MjModel,
    parts: list[re.Match[str] | None],
    finger: Int[np.ndarray, " bodies"],
    hands: list[int],
) -> list[int]:
    """The bodies whose origins are keypoints."""
    jointed = [
        i for i, part in enumerate(parts) if part and part[1] == "robot" and model.body_dofnum[i]
    ]
    # The last body of a finger is the one farthest from the hand: carriers come first.
    ends = [int(np.flatnonzero(finger == first)[-1]) for first in np.unique(finger[finger >= 0])]
    return sorted({*jointed, *hands, *ends})
