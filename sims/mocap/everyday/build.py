"""The bones of a subject in metres, and the places of joints for given rotations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from sims.mocap.body import UNIT, Place, person_urdf
from sims.mocap.motion import JOINTS
from sims.mocap.subject import Subject

# Height of an ankle above its sole, in units of the humanoid's URDF.
SOLE = 0.2


class Pivot(NamedTuple):
    """A joint over the frames of a take.

    Attributes:
        position: Metres in the frame of the motion.
        turn: Rotation of the link that the joint moves.
    """

    position: Float[np.ndarray, "time 3"]
    turn: Rotation


@dataclass(frozen=True, eq=False)
class Build:
    """A subject's proportions.

    Attributes:
        subject: The subject.
        parents: The joint that each joint hangs on.
        offsets: Position of each joint in the frame of its parent, in metres.
    """

    subject: Subject
    parents: Mapping[str, str]
    offsets: Mapping[str, Float[np.ndarray, 3]]

    @classmethod
    def of(cls, subject: Subject) -> Build:
        """Reads the bones from the subject's URDF."""
        parents, offsets = {}, {}
        for joint in ElementTree.fromstring(person_urdf(subject)).iter("joint"):
            name, parent, origin = joint.attrib["name"], joint.find("parent"), joint.find("origin")
            assert parent is not None and origin is not None
            parents[name] = parent.attrib["link"]
            xyz = np.array(origin.attrib["xyz"].split(), float)
            offsets[name] = xyz * UNIT * subject.height
        return cls(subject, parents, offsets)

    @property
    def size(self) -> float:
        """Height of the body, relative to the captured person's."""
        return self.subject.height

    @property
    def leg(self) -> float:
        """Length of thigh and shin in metres."""
        return self.bone("right_knee") + self.bone("right_ankle")

    @property
    def sole(self) -> float:
        """Height of an ankle above the floor in metres."""
        return SOLE * UNIT * self.size

    def bone(self, joint: str) -> float:
        """Distance of a joint from its parent, in metres."""
        return float(np.linalg.norm(self.offsets[joint]))

    def offset(self, place: Place) -> Float[np.ndarray, 3]:
        """Offset of a place of the body in the frame of its link, in metres."""
        return self.subject.scale(place.link) * place.offset * UNIT * self.size

    def pivots(
        self, root: Float[np.ndarray, "time 3"], rotations: Mapping[str, Rotation]
    ) -> dict[str, Pivot]:
        """All joints, and the wrists, which are rigid.

        Args:
            root: Position of the pelvis.
            rotations: Rotation of each joint over time, in the frame of its parent.
        """
        found = {"root": Pivot(root, rotations["root"])}
        for joint in (*JOINTS[1:], "left_wrist", "right_wrist"):
            parent = found[self.parents[joint]]
            turn = parent.turn * rotations[joint] if joint in rotations else parent.turn
            position = parent.position + parent.turn.apply(self.offsets[joint])
            found[joint] = Pivot(position, turn)
        return found
