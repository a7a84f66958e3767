"""A person: the humanoid of pybullet_data with individual proportions, clothes and keypoints.

In the frame of a link, x points to the front, y up along the bones of a standing person, and z to
the right; lengths are in the units of the humanoid's URDF.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from datasets.cameras import Camera
from datasets.skeletons import Skeleton
from sims.bullet.client import BulletClient, data_folder
from sims.bullet.files import read_xml
from sims.bullet.views import segment
from sims.mocap.motion import JOINTS, Motion
from sims.mocap.subject import GARMENTS, Color, Shape, Subject

Offset = tuple[float, float, float]

# Metres per unit of the URDF, for the captured person.
UNIT = 0.25
# Rotation from frames with y up to the world, where z is up; +x stays.
UPRIGHT = Rotation.from_euler("x", 90, degrees=True)
_SIDES = (("left", -1), ("right", 1))


class Place(NamedTuple):
    """The position of a point of the body.

    Attributes:
        link: Name of a link.
        offset: Position in the link's frame.
        next_link: A link besides this one and the one that carries it, whose surface shows the
            point: that which begins there.
    """

    link: str
    offset: Offset
    next_link: str = ""


def _both(part: str, link: str, offset: Offset, next_link: str = "") -> dict[str, Place]:
    return {
        f"{side}_{part}": Place(f"{side}_{link}", offset, next_link and f"{side}_{next_link}")
        for side, _ in _SIDES
    }


# Every keypoint of the action data sets' skeletons. The humanoid has no face and no fingers, so
# their keypoints lie where they would be on its head and its hands.
PLACES = {
    "base_spine": Place("root", (0.0, 0.1, 0.0)),
    "mid_spine": Place("chest", (0.0, 0.1, 0.0)),
    "spine": Place("chest", (-0.05, 0.8, 0.0), "neck"),
    "neck": Place("neck", (0.0, 0.15, 0.0)),
    "head": Place("neck", (0.05, 0.75, 0.0)),
    "nose": Place("neck", (0.42, 0.66, 0.0)),
    **{f"{side}_eye": Place("neck", (0.35, 0.8, 0.14 * sign)) for side, sign in _SIDES},
    **{f"{side}_ear": Place("neck", (0.0, 0.7, 0.38 * sign)) for side, sign in _SIDES},
    **_both("shoulder", "shoulder", (0.0, 0.0, 0.0)),
    **_both("elbow", "elbow", (0.0, 0.0, 0.0)),
    **_both("wrist", "elbow", (0.0, -0.92, 0.0), "wrist"),
    **_both("hand", "wrist", (0.0, -0.1, 0.0)),
    **_both("hand_tip", "wrist", (0.0, -0.32, 0.0)),
    **_both("thumb", "wrist", (0.12, -0.12, 0.0)),
    **_both("hip", "hip", (0.0, 0.0, 0.0)),
    **_both("knee", "knee", (0.0, 0.0, 0.0)),
    **_both("ankle", "ankle", (0.0, 0.0, 0.0)),
    **_both("foot", "ankle", (0.42, -0.12, 0.0)),
}
# A camera before the nose, in the frame of the head; below it are the hands of a person who holds
# something, so it looks down, with the field of view of a camera on a helmet.
EYES, LOOK_DOWN_DEGREES, EYES_FOVY = np.array([0.52, 0.72, 0.0]), 25.0, 90.0
# Points of the soles. Every clip has a time at which one of them touches the floor.
SOLES = [place for x in (-0.17, 0.53) for place in _both("sole", "ankle", (x, -0.2, 0.0)).values()]


class Person:
    """A subject in a simulation, posed without physics."""

    def __init__(self, client: BulletClient, subject: Subject) -> None:
        """Loads the subject's body.

        Raises:
            SimulatorError: When PyBullet is not installed.
        """
        self._client, self._subject = client, subject
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "person.urdf")
            path.write_text(person_urdf(subject))
            self.body: int = client.call(
                "loadURDF", str(path), useFixedBase=True, globalScaling=self._unit
            )
        joints = range(client.call("getNumJoints", self.body))
        infos = [client.call("getJointInfo", self.body, i) for i in joints]
        self._link = {info[12].decode(): i for i, info in enumerate(infos)}
        self._carrier = [info[16] for info in infos]
        self._joints = [self._link[joint] for joint in JOINTS[1:]]

    @property
    def _unit(self) -> float:
        return UNIT * self._subject.height

    def on_floor(
        self, motion: Motion, heading: float, place: Float[np.ndarray, 2]
    ) -> tuple[Float[np.ndarray, "time 3"], Rotation]:
        """Positions and rotations of the pelvis in the world with which the soles reach z = 0.

        Args:
            motion: Motion of the person.
            heading: Azimuth that the person faces, in radians from +x to +y.
            place: Position of the motion's origin on the floor, in metres.
        """
        to_world = facing(heading)
        size = self._subject.height * np.array([1.0, self._subject.leg, 1.0])
        positions = to_world.apply(motion.root * size) + (*place, 0.0)
        turns = to_world * Rotation.from_quat(motion.rotations[:, 0])
        heights = []
        for i in range(len(motion)):
            self.pose(positions[i], turns[i], motion.rotations[i])
            heights.append(self._points(SOLES)[:, 2].min())
        return positions - (0.0, 0.0, min(heights)), turns

    def pose(
        self,
        position: Float[np.ndarray, 3],
        turn: Rotation,
        rotations: Float[np.ndarray, "joints 4"],
    ) -> None:
        """Sets the pelvis's pose in the world, and the other joints from a motion's frame."""
        call = self._client.call
        call(
            "resetBasePositionAndOrientation", self.body, position.tolist(), turn.as_quat().tolist()
        )
        call("resetJointStatesMultiDof", self.body, self._joints, rotations[1:].tolist())

    def keypoints(self, skeleton: Skeleton) -> Float[np.ndarray, "keypoints 3"]:
        """A skeleton's keypoints in world metres."""
        return self._points([PLACES[name] for name in skeleton.keypoints])

    def own_segments(self, skeleton: Skeleton) -> list[frozenset[int]]:
        """For each keypoint of a skeleton, the segments of `View` whose surface shows it."""
        own = []
        for name in skeleton.keypoints:
            place = PLACES[name]
            links = {self._link[place.link], self._carrier[self._link[place.link]]}
            links |= {self._link[place.next_link]} if place.next_link else set()
            own.append(frozenset(segment(self.body, link) for link in links))
        return own

    def eyes(self, size: int) -> Camera:
        """A camera before the face, which looks ahead and down to the hands."""
        state = self._client.call(
            "getLinkState", self.body, self._link["neck"], computeForwardKinematics=True
        )
        turn = Rotation.from_quat(state[5])
        place = np.array(state[4]) + turn.apply(self._subject.scale("neck") * EYES * self._unit)
        # The camera's x is the head's right, its y the head's down, its z the head's front.
        level = turn * Rotation.from_matrix([[0, 0, 1], [0, -1, 0], [1, 0, 0]])
        rotation = (level * Rotation.from_euler("x", -LOOK_DOWN_DEGREES, degrees=True)).inv()
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation.as_matrix(), -rotation.apply(place)
        return Camera.from_fovy(EYES_FOVY, size, size, pose)

    def posture(self) -> Float[np.ndarray, " numbers"]:
        """Position and quaternion of the pelvis in the world, then quaternions of all joints."""
        call = self._client.call
        base = call("getBasePositionAndOrientation", self.body)
        joints = call("getJointStatesMultiDof", self.body, self._joints)
        return np.concatenate([*base, *(state[0] for state in joints)])

    def _points(self, places: list[Place]) -> Float[np.ndarray, "places 3"]:
        states = self._client.call(
            "getLinkStates",
            self.body,
            [self._link[place.link] for place in places],
            computeForwardKinematics=True,
        )
        origins = np.array([state[4] for state in states])
        turns = Rotation.from_quat([state[5] for state in states])
        offsets = [self._subject.scale(place.link) * place.offset for place in places]
        return origins + turns.apply(np.array(offsets) * self._unit)


def facing(heading: float) -> Rotation:
    """Rotation from the frame of a motion to the world, for a person who faces an azimuth."""
    return Rotation.from_euler("z", heading) * UPRIGHT


def person_urdf(subject: Subject) -> str:
    """The humanoid's URDF with a subject's proportions and clothes, and only spherical joints."""
    robot = read_xml(data_folder() / "humanoid" / "humanoid.urdf")
    for joint in robot.iter("joint"):
        if joint.attrib["type"] == "revolute":
            joint.set("type", "spherical")
        if joint.find("axis") is None:  # spherical joints need none, but PyBullet warns without it
            ElementTree.SubElement(joint, "axis", {"xyz": "1 0 0"})
        parent, origin = joint.find("parent"), joint.find("origin")
        assert parent is not None and origin is not None
        _scale_origin(origin, subject.scale(parent.attrib["link"]))
    for link in robot.iter("link"):
        name = link.attrib["name"]
        if (collision := link.find("collision")) is None:
            continue
        # Nothing collides in this simulation, so collision shapes become visual shapes.
        collision.tag = "visual"
        _resize(collision, subject, name)
        _paint(collision, subject.colors[GARMENTS[name.split("_")[-1]]])
        for shape in subject.worn:
            if shape.link in (name, name.split("_")[-1]):
                link.append(_visual(shape, subject, name))
    return ElementTree.tostring(robot, encoding="unicode")


def _visual(shape: Shape, subject: Subject, link: str) -> ElementTree.Element:
    visual = ElementTree.Element("visual")
    turn = " ".join(map(str, shape.turn))
    ElementTree.SubElement(visual, "origin", {"xyz": _numbers(shape.offset), "rpy": turn})
    geometry = ElementTree.SubElement(visual, "geometry")
    ElementTree.SubElement(geometry, shape.kind, dict(shape.size))
    _resize(visual, subject, link)
    _paint(visual, subject.colors[shape.garment])
    return visual


def _resize(visual: ElementTree.Element, subject: Subject, link: str) -> None:
    """Scales a shape to the subject's length and thickness."""
    origin, geometry = visual.find("origin"), visual.find("geometry")
    assert origin is not None and geometry is not None
    scale, girth = subject.scale(link), subject.girth_of(link)
    _scale_origin(origin, scale)
    shape = geometry[0]
    for attribute, factor in (("radius", girth), ("length", scale[1])):
        if attribute in shape.attrib:
            shape.set(attribute, f"{float(shape.attrib[attribute]) * factor:.6f}")


def _scale_origin(origin: ElementTree.Element, scale: Float[np.ndarray, 3]) -> None:
    values = np.array(origin.attrib["xyz"].split(), float)
    origin.set("xyz", _numbers(values * scale))


def _paint(visual: ElementTree.Element, color: Color) -> None:
    material = ElementTree.SubElement(visual, "material", {"name": "-".join(map(str, color))})
    ElementTree.SubElement(material, "color", {"rgba": _numbers((*color, 1.0))})


def _numbers(values: tuple[float, ...] | np.ndarray) -> str:
    return " ".join(f"{value:.6f}" for value in values)
