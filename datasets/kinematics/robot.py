"""A robot in a state: where its links are, and what a ray meets first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from datasets.errors import FormatError
from datasets.kinematics.catalogue import GRIPPER, Found
from datasets.kinematics.engine import import_mujoco
from datasets.kinematics.loading import load_model, read_mimics
from datasets.kinematics.points import PANDA_POINTS, Attachment, link_points
from datasets.skeletons import PANDA, Skeleton

# Where a joint without limits is taken to range: one turn in both directions.
_ONE_TURN = (-2 * np.pi, 2 * np.pi)
# Names by which URDFs call the joints of grippers.
_FINGER = re.compile(rf"^{GRIPPER}|finger|gripper|knuckle|thumb|jaw")


@dataclass(frozen=True)
class Joint:
    """A joint that moves by one number.

    Attributes:
        name: Its name.
        range: Least and greatest value, in radians or metres.
        slides: Whether it slides, in metres, rather than turns.
        address: Place of its value in MuJoCo's state.
        limited: Whether its file gives the range; a wheel has none, and may leave it.
    """

    name: str
    range: tuple[float, float]
    slides: bool
    address: int
    limited: bool


class Robot:
    """A robot; `place` sets its joints, and all else speaks of the state that was set last.

    Attributes:
        name: Name of the robot.
        every: All joints, in the order of the file.
        joints: Those that move by themselves and not with another one.
        parents: Each link to the link that carries it, or to None.
    """

    def __init__(self, found: Found) -> None:
        """Loads a robot.

        Raises:
            FormatError: When its file cannot be read, or it has no joints.
            MissingLibraryError: When MuJoCo is not installed.
        """
        self._mujoco, self._model = import_mujoco(), load_model(found)
        self._data = self._mujoco.MjData(self._model)
        self.name, self._panda = found.name, found.panda
        self._read_links()
        self.every = self._read_joints()
        self._follow = self._read_followers(found, {joint.name: joint for joint in self.every})
        self.joints = [joint for joint in self.every if joint.name not in self._follow]
        if not self.joints:
            raise FormatError(f"{found.file} has no joints that move. Give another --robot.")
        self._mujoco.mj_kinematics(self._model, self._data)

    @property
    def fingers(self) -> list[Joint]:
        """The joints of the gripper: of one that was attached, or those named like one."""
        return [joint for joint in self.every if _FINGER.search(joint.name.lower())]

    @property
    def floats(self) -> bool:
        """Whether its base moves freely, as that of a robot on wheels or legs."""
        model, free = self._model, self._mujoco.mjtJoint.mjJNT_FREE
        floating = model.body_rootid[model.jnt_bodyid[model.jnt_type == free]]
        # `load_model` leaves objects beside the robot out of group 0.
        return bool(
            np.isin(floating, model.body_rootid[model.geom_bodyid[model.geom_group == 0]]).any()
        )

    @property
    def arm(self) -> list[Joint]:
        """The joints that move by themselves and are not the gripper's."""
        return [joint for joint in self.joints if joint not in self.fingers]

    def keypoints(self, links: Sequence[str] = ()) -> tuple[Skeleton, list[Attachment]]:
        """The skeleton of the robot, and the place of each of its keypoints.

        Args:
            links: Links whose origins are keypoints, see `link_points`; by default a Panda has the
                keypoints of this project's Panda, and another robot all links that can be seen.
        """
        if not links and self._panda is not None:
            return PANDA, [point.renamed(self._panda) for point in PANDA_POINTS.values()]
        return link_points(self.name, self.parents, links or self._seen)

    def place(self, joints: Sequence[Joint], values: Float[np.ndarray, " joints"]) -> None:
        """Sets some joints, in radians and metres; the others stay, or follow those."""
        state = self._data.qpos
        state[[joint.address for joint in joints]] = values
        named = {joint.name for joint in joints}
        for name, (address, leader, factor, offset) in self._follow.items():
            if name not in named:
                state[address] = offset + factor * state[leader]
        self._mujoco.mj_kinematics(self._model, self._data)

    def pose(self, link: str) -> Float[np.ndarray, "4 4"]:
        """The transform from a link's frame to the robot's, in metres."""
        body, matrix = self._bodies[link], np.eye(4)
        matrix[:3, :3] = self._data.xmat[body].reshape(3, 3)
        matrix[:3, 3] = self._data.xpos[body]
        return matrix

    def positions(self, points: Sequence[Attachment]) -> Float[np.ndarray, "points 3"]:
        """Where points are in the robot's frame, in metres."""
        return np.array(
            [(self.pose(point.body) @ np.array([*point.offset, 1.0]))[:3] for point in points]
        )

    def hits(
        self, origin: Float[np.ndarray, 3], rays: Float[np.ndarray, "rays 3"]
    ) -> tuple[Float[np.ndarray, " rays"], Int[np.ndarray, " rays"]]:
        """The first visible surface on each ray.

        Args:
            origin: Where the rays begin, in the robot's frame in metres.
            rays: Directions.

        Returns:
            Distance as a multiple of the ray, infinite where it meets nothing, and the body, or -1.
        """
        # MuJoCo's call for many rays, mj_multiRay, misses surfaces (3.9.0), so each has its own.
        share, bodies = np.full(len(rays), np.inf), np.full(len(rays), -1)
        geom, groups = np.zeros(1, np.int32), np.eye(1, self._mujoco.mjNGROUP, dtype=np.uint8)[0]
        for i in np.flatnonzero(self._may_hit(origin, rays)):
            found = self._mujoco.mj_ray(
                self._model, self._data, origin, rays[i], groups, True, -1, geom
            )
            if found >= 0:
                share[i], bodies[i] = found, self._model.geom_bodyid[geom[0]]
        return share, bodies

    def _may_hit(
        self, origin: Float[np.ndarray, 3], rays: Float[np.ndarray, "rays 3"]
    ) -> Bool[np.ndarray, " rays"]:
        """The rays that meet the sphere around a visible shape; most pixels meet none."""
        seen = self._model.geom_group == 0
        middles, radii = self._data.geom_xpos[seen] - origin, self._model.geom_rbound[seen]
        along = rays / np.linalg.norm(rays, axis=1, keepdims=True)
        near = np.maximum(along @ middles.T, 0)  # distance along the ray to its nearest point
        apart = (middles**2).sum(1) - near**2
        inside = (middles**2).sum(1) <= radii**2
        known = np.isfinite(rays).all(axis=1)  # pixels at which a lens shows nothing have no ray
        return ((apart <= radii**2) | inside).any(axis=1) & known

    def body(self, link: str) -> int:
        """The number of a link in what `hits` returns."""
        return self._bodies[link]

    def _read_links(self) -> None:
        model = self._model
        names = [model.body(i).name for i in range(model.nbody)]
        self._bodies = {name: i for i, name in enumerate(names) if i}
        above = model.body_parentid
        self.parents: dict[str, str | None] = {
            name: names[above[i]] if above[i] else None for name, i in self._bodies.items()
        }
        seen = set(model.geom_bodyid[model.geom_group == 0].tolist())
        self._seen = [name for name, i in self._bodies.items() if i in seen]

    def _read_joints(self) -> list[Joint]:
        kinds = self._mujoco.mjtJoint
        joints = []
        for i in range(self._model.njnt):
            kind, limited = self._model.jnt_type[i], bool(self._model.jnt_limited[i])
            if kind in (kinds.mjJNT_FREE, kinds.mjJNT_BALL):
                continue
            low, high = self._model.jnt_range[i] if limited else _ONE_TURN
            slides = kind == kinds.mjJNT_SLIDE
            address = int(self._model.jnt_qposadr[i])
            name = self._model.joint(i).name
            joints.append(Joint(name, (float(low), float(high)), slides, address, limited))
        return joints

    def _read_followers(
        self, found: Found, joints: dict[str, Joint]
    ) -> dict[str, tuple[int, int, float, float]]:
        """Joints that others move, by URDF's mimic or MJCF's equality: value = offset + factor x.

        The polynomial of an equality is cut after its linear term.
        """
        model, pairs = self._model, {}
        if found.file.suffix.lower() == ".urdf":
            pairs = read_mimics(found.file)
        for i in np.flatnonzero(model.eq_type == self._mujoco.mjtEq.mjEQ_JOINT):
            follower, leader = model.eq_obj1id[i], model.eq_obj2id[i]
            if leader >= 0:
                offset, factor = model.eq_data[i, :2]
                names = [model.joint(j).name for j in (follower, leader)]
                pairs[names[0]] = (names[1], float(factor), float(offset))
        return {
            name: (joints[name].address, joints[leader].address, factor, offset)
            for name, (leader, factor, offset) in pairs.items()
            if name in joints and leader in joints
        }
