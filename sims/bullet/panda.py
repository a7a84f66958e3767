"""A Panda in PyBullet: its pose, its keypoints, and the control of its hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from datasets.cameras import Camera
from sims.arm import panda
from sims.bullet.client import BulletClient
from sims.bullet.views import segment

# Link names in pybullet_data's URDF, by robosuite's names of bodies.
LINKS = {
    **{f"robot0_link{i}": f"panda_link{i}" for i in range(8)},
    panda.HAND: "panda_hand",
    panda.LEFT_FINGER: "panda_leftfinger",
    panda.RIGHT_FINGER: "panda_rightfinger",
    panda.GRIP_SITE: "panda_grasptarget",
}
NUM_ARM_JOINTS = 7
# Joint angles in radians with which the arm bends over the table, the hand pointing down.
READY = np.array([0.0, -0.25, 0.0, -2.45, 0.0, 2.2, 0.785])
# Distance of an open finger from the middle, in metres.
OPEN_FINGER = 0.04
# The share of its error that the position controller removes in each physics step. In the 12 steps
# of a time step, the hand covers about three quarters of an action.
POSITION_GAIN = 0.1
# Force in newtons with which a finger closes, as in the real hand.
FINGER_FORCE = 40.0
FINGER_FRICTION = 1.2
# Rotation from the URDF's hand, which opens along y, to robosuite's gripper, which opens along x.
OPENING_FRAME = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


class BulletPanda:
    """The arm, mounted at the world's origin and facing +x."""

    def __init__(self, client: BulletClient, urdf: Path) -> None:
        """Loads the arm into the server's simulation."""
        self._client = client
        self.body: int = client.call("loadURDF", str(urdf), useFixedBase=True)
        self._read_joints()
        own = {name: segment(self.body, link) for name, link in self._link.items()}
        self.own_segments = [
            frozenset(own[LINKS[name]] for name in place.own_bodies)
            for place in panda.KEYPOINTS.values()
        ]
        self._keypoint_links = [self._link[LINKS[p.body]] for p in panda.KEYPOINTS.values()]
        self._offsets = np.array([p.offset for p in panda.KEYPOINTS.values()])
        self._grip = self._link[LINKS[panda.GRIP_SITE]]
        self.fingers = tuple(
            self._link[LINKS[name]] for name in (panda.LEFT_FINGER, panda.RIGHT_FINGER)
        )
        for finger in self.fingers:
            client.call("changeDynamics", self.body, finger, lateralFriction=FINGER_FRICTION)
        self._couple_fingers()

    def _read_joints(self) -> None:
        call = self._client.call
        self._link = {"panda_link0": -1}
        self._joints, low, high, force = [], [], [], []
        for joint in range(call("getNumJoints", self.body)):
            info = call("getJointInfo", self.body, joint)
            self._link[info[12].decode()] = joint
            if info[2] != self._client.api.JOINT_FIXED:
                self._joints.append(joint)
                low.append(info[8])
                high.append(info[9])
                force.append(info[10])
        self._low, self._high = np.array(low), np.array(high)
        self._forces = force[:NUM_ARM_JOINTS] + [FINGER_FORCE] * 2

    def _couple_fingers(self) -> None:
        """Makes both fingers open equally: PyBullet ignores the URDF's coupling of them."""
        left, right = self.fingers
        gear = self._client.call(
            "createConstraint",
            self.body,
            left,
            self.body,
            right,
            jointType=self._client.api.JOINT_GEAR,
            jointAxis=[1, 0, 0],
            parentFramePosition=[0, 0, 0],
            childFramePosition=[0, 0, 0],
        )
        self._client.call("changeConstraint", gear, gearRatio=-1, erp=0.1, maxForce=50)

    def set_joints(self, positions: Float[np.ndarray, 9], velocities: Float[np.ndarray, 9]) -> None:
        """Sets the arm's joints, then both fingers; in radians and metres."""
        for joint, position, velocity in zip(self._joints, positions, velocities, strict=True):
            self._client.call("resetJointState", self.body, joint, position, velocity)

    def joints(self) -> tuple[Float[np.ndarray, 9], Float[np.ndarray, 9]]:
        """Positions and velocities of the arm's joints, then of both fingers."""
        states = self._client.call("getJointStates", self.body, self._joints)
        return np.array([s[0] for s in states]), np.array([s[1] for s in states])

    def gripper_pose(self) -> tuple[Float[np.ndarray, 3], Float[np.ndarray, "3 3"]]:
        """Position in metres and rotation of the grip site; its x axis is the opening direction."""
        position, rotation = self._poses([self._grip])
        return position[0], rotation[0] @ OPENING_FRAME

    def control(
        self, position: Float[np.ndarray, 3], rotation: Float[np.ndarray, "3 3"], opening: float
    ) -> None:
        """Sets the joints' targets from a target pose of the grip site.

        Args:
            position: Target position in metres.
            rotation: Target rotation; its x axis is the opening direction.
            opening: Target distance of each finger from the middle, in metres.
        """
        quaternion = Rotation.from_matrix(rotation @ OPENING_FRAME.T).as_quat()
        now, _ = self.joints()
        target = self._client.call(
            "calculateInverseKinematics",
            self.body,
            self._grip,
            position.tolist(),
            quaternion.tolist(),
            lowerLimits=self._low.tolist(),
            upperLimits=self._high.tolist(),
            jointRanges=(self._high - self._low).tolist(),
            restPoses=[*READY, *now[NUM_ARM_JOINTS:]],
        )
        self._client.call(
            "setJointMotorControlArray",
            self.body,
            self._joints,
            self._client.api.POSITION_CONTROL,
            targetPositions=[*target[:NUM_ARM_JOINTS], opening, opening],
            positionGains=[POSITION_GAIN] * len(self._joints),
            forces=self._forces,
        )

    def touched_by_both_fingers(self, other: int) -> bool:
        """Whether both fingers are in contact with a body."""
        return all(
            self._client.call("getContactPoints", self.body, other, finger)
            for finger in self.fingers
        )

    def keypoints(self) -> Float[np.ndarray, "keypoints 3"]:
        """World coordinates of the Panda's keypoints in metres."""
        positions, rotations = self._poses(self._keypoint_links)
        return positions + np.einsum("kij,kj->ki", rotations, self._offsets)

    def ego_camera(self, size: int) -> Camera:
        """The hand-eye camera as it stands now."""
        positions, rotations = self._poses([self._link[LINKS[panda.HAND]]])
        return panda.ego_camera(positions[0], rotations[0] @ OPENING_FRAME, size)

    def _poses(
        self, links: list[int]
    ) -> tuple[Float[np.ndarray, "links 3"], Float[np.ndarray, "links 3 3"]]:
        """World position and rotation of the frames of links; -1 is the base, at the origin."""
        states = iter(
            self._client.call(
                "getLinkStates",
                self.body,
                [link for link in links if link >= 0],
                computeForwardKinematics=1,
            )
        )
        # Entries 4 and 5 are the URDF's frame; 0 and 1 would be the centre of mass.
        poses = [next(states)[4:6] if link >= 0 else ORIGIN for link in links]
        quaternions = Rotation.from_quat([quaternion for _, quaternion in poses])
        return np.array([position for position, _ in poses]), quaternions.as_matrix()


ORIGIN = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
