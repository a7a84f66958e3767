"""A body that is posed over the frames of a take: trunk first, then feet and hands."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from sims.mocap.body import PLACES, UNIT, Place
from sims.mocap.everyday.build import Build, Pivot
from sims.mocap.everyday.limbs import bend_limb
from sims.mocap.motion import FPS, JOINTS, Motion

# Middle of the palm and of the mouth, in the frames of their links and units of the URDF.
PALM = {side: Place(f"{side}_wrist", (0.0, -0.24, 0.0)) for side in ("left", "right")}
MOUTH = Place("neck", (0.4, 0.5, 0.0))
SIGN = {"left": -1.0, "right": 1.0}
# Where elbows and knees point, for the right side: elbows down, outward and back, knees forward.
ELBOW, KNEE = np.array([-0.45, -1.0, 0.55]), np.array([1.0, 0.0, 0.12])


class Actor:
    """Rotations of all joints, which the methods replace.

    Attributes:
        build: The body.
        root: Position of the pelvis in metres; the floor is y = 0.
        rotations: Rotation of each joint over time, in the frame of its parent.
    """

    def __init__(self, build: Build, motion: Motion) -> None:
        """Begins with a motion whose root is in metres of this body."""
        self.build = build
        self.root = motion.root.copy()
        self.rotations = {
            joint: Rotation.from_quat(motion.rotations[:, i]) for i, joint in enumerate(JOINTS)
        }

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.root)

    @property
    def motion(self) -> Motion:
        """The motion as it is now."""
        turns = np.stack([self.rotations[joint].as_quat() for joint in JOINTS], axis=1)
        return Motion(np.arange(len(self)) / FPS, self.root, turns, loops=False)

    @property
    def pivots(self) -> dict[str, Pivot]:
        """All joints as they are now."""
        return self.build.pivots(self.root, self.rotations)

    def point(self, place: Place) -> Float[np.ndarray, "time 3"]:
        """A place of the body over time."""
        pivot = self.pivots[place.link]
        return pivot.position + pivot.turn.apply(self.build.offset(place))

    def keypoint(self, name: str) -> Float[np.ndarray, "time 3"]:
        """One of the keypoints of `sims.mocap.body` over time."""
        return self.point(PLACES[name])

    def bend(
        self,
        joint: str,
        forward: float | Float[np.ndarray, " time"] = 0.0,
        turn: float | Float[np.ndarray, " time"] = 0.0,
    ) -> None:
        """Bends a joint of the trunk forward and turns it to the left, by degrees."""
        vectors = np.zeros((len(self), 3))
        vectors[:, 2], vectors[:, 1] = -np.radians(forward), np.radians(turn)
        self.rotations[joint] = Rotation.from_rotvec(vectors) * self.rotations[joint]

    def plant(self, side: str, x: float, z: float, yaw: float = 0.0) -> None:
        """Holds a foot flat at a place on the floor, its toes turned out by `yaw` degrees."""
        target = np.tile([x, self.build.sole, z], (len(self), 1))
        turn = Rotation.from_euler("y", -SIGN[side] * yaw, degrees=True)
        self._bend(side, ("hip", "knee"), target, KNEE, self.build.bone(f"{side}_ankle"))
        shin = self.pivots[f"{side}_knee"].turn
        self.rotations[f"{side}_ankle"] = shin.inv() * turn

    def reach(
        self,
        side: str,
        target: Float[np.ndarray, "time 3"],
        elbow: Float[np.ndarray, 3] = ELBOW,
    ) -> None:
        """Moves a palm along a path; `elbow` is where the right elbow would point."""
        palm = -PALM[side].offset[1] * UNIT * self.build.size
        lower = self.build.bone(f"{side}_wrist") + palm
        self._bend(side, ("shoulder", "elbow"), target, elbow, lower)

    def _bend(
        self,
        side: str,
        names: tuple[str, str],
        target: Float[np.ndarray, "time 3"],
        pole: Float[np.ndarray, 3],
        lower: float,
    ) -> None:
        upper, hinge = (f"{side}_{name}" for name in names)
        pivots = self.pivots
        parent = pivots[self.build.parents[upper]].turn
        pole = parent.apply(pole * (1, 1, SIGN[side]))
        bones = (self.build.bone(hinge), lower)
        found = bend_limb(pivots[upper].position, target, bones, pole, names[0] == "shoulder")
        self.rotations[upper] = parent.inv() * found.upper
        self.rotations[hinge] = found.hinge
