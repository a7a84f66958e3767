"""The body of a blocky player: six boxes that turn about joints, and its keypoints.

Frames: the world is in metres with z up; a heading (yaw) is counted in radians from world +x,
counter-clockwise seen from above; an elevation (pitch) in radians, upwards positive. The body's
own frame has x forward, y to its left and z up, with the origin between the feet.

Proportions, joints and the swing of the limbs are those of the game's player model, which counts
in pixels: 32 of them make the player's height.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy  # loads scipy.spatial at its first use, which help texts do not need
from jaxtyping import Float

from datasets.skeletons import PLAYER

HEIGHT_PIXELS = 32.0
HEIGHT = 1.8  # metres
# Height of the eyes as a share of the body's: 1.62 m of 1.8 m.
EYES = 0.9

# Radians by which the limbs' phase advances for each unit of the game's limb swing.
SWING_RATE = 0.6662
LEG_SWING, ARM_SWING = 1.4, 2.0 * 0.5


class Part(NamedTuple):
    """A box of the body, in pixels, in the body's frame.

    Attributes:
        low: Corner of the resting box with the smallest coordinates.
        high: The opposite corner.
        pivot: Joint that the box turns about.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    pivot: tuple[float, float, float]


PARTS = {
    "head": Part((-4, -4, 24), (4, 4, 32), (0, 0, 24)),
    "torso": Part((-2, -4, 12), (2, 4, 24), (0, 0, 24)),
    "left_arm": Part((-2, 4, 12), (2, 8, 24), (0, 5, 22)),
    "right_arm": Part((-2, -8, 12), (2, -4, 24), (0, -5, 22)),
    "left_leg": Part((-2, 0, 0), (2, 4, 12), (0, 2, 12)),
    "right_leg": Part((-2, -4, 0), (2, 0, 12), (0, -2, 12)),
}
PART_INDEX = {name: index for index, name in enumerate(PARTS)}


class KeypointPlace(NamedTuple):
    """The position of a keypoint on the body.

    Attributes:
        part: Part that the keypoint moves with.
        position: Position in the body's frame, in pixels, while the body rests.
        own_parts: Parts whose surface shows the keypoint: those that meet there.
    """

    part: str
    position: tuple[float, float, float]
    own_parts: tuple[str, ...]


def _limbs(side: str, sign: int) -> dict[str, KeypointPlace]:
    arm, leg = f"{side}_arm", f"{side}_leg"
    # Hand and foot lie a pixel inside the end of their limb, so that they project onto the body.
    return {
        f"{side}_shoulder": KeypointPlace(arm, (0, 5 * sign, 22), (arm, "torso")),
        f"{side}_elbow": KeypointPlace(arm, (0, 6 * sign, 18), (arm,)),
        f"{side}_hand": KeypointPlace(arm, (0, 6 * sign, 13), (arm,)),
        f"{side}_hip": KeypointPlace(leg, (0, 2 * sign, 12), (leg, "torso")),
        f"{side}_knee": KeypointPlace(leg, (0, 2 * sign, 6), (leg,)),
        f"{side}_foot": KeypointPlace(leg, (0, 2 * sign, 1), (leg,)),
    }


# Arms and legs are rigid in the game, so elbows and knees are the middles of their limbs.
_PLACES = {
    "head": KeypointPlace("head", (0, 0, 28), ("head",)),
    "neck": KeypointPlace("torso", (0, 0, 24), ("head", "torso")),
    **_limbs("left", 1),
    **_limbs("right", -1),
}
KEYPOINTS = {name: _PLACES[name] for name in PLAYER.keypoints}


@dataclass(frozen=True)
class PlayerPose:
    """The numbers that determine the poses of the body's boxes.

    Attributes:
        position: Position of the middle of the feet, in world metres.
        yaw: Heading in radians from +x, counter-clockwise seen from above.
        pitch: Elevation of the look in radians, upwards positive.
        swing: Phase of the limbs as the game's limb swing, of 0.6662 radians a unit.
        amplitude: Amplitude of the limbs' swing, from 0 at rest to 1 at a run.
        strike: Progress of a stroke of the right arm, from 0 (none) to 1 (over).
        height: Height in metres. The game draws its player 15/16 of 2 m high, more than 1.8 m.
    """

    position: Float[np.ndarray, 3]
    yaw: float = 0.0
    pitch: float = 0.0
    swing: float = 0.0
    amplitude: float = 0.0
    strike: float = 0.0
    height: float = HEIGHT

    @property
    def eyes(self) -> Float[np.ndarray, 3]:
        """Position of the first-person camera, in world metres."""
        return np.asarray(self.position, float) + np.array([0, 0, EYES * self.height])

    @property
    def look(self) -> Float[np.ndarray, 3]:
        """Unit vector of the look in the world."""
        flat = np.cos(self.pitch)
        return np.array(
            [flat * np.cos(self.yaw), flat * np.sin(self.yaw), np.sin(self.pitch)], float
        )


class Boxes(NamedTuple):
    """Rotated boxes in the world.

    Attributes:
        centres: World coordinates of the middles, in metres.
        rotations: Rotations from each box's frame to the world.
        sizes: Edge lengths along each box's own axes, in metres.
    """

    centres: Float[np.ndarray, "boxes 3"]
    rotations: Float[np.ndarray, "boxes 3 3"]
    sizes: Float[np.ndarray, "boxes 3"]


_LOW, _HIGH, _PIVOT = (np.array([part[i] for part in PARTS.values()], float) for i in range(3))
_KEYPOINT_PART = np.array([PART_INDEX[place.part] for place in KEYPOINTS.values()])
_KEYPOINT_POSITION = np.array([place.position for place in KEYPOINTS.values()], float)


def player_boxes(pose: PlayerPose) -> Boxes:
    """The body's boxes, in the order of `PARTS`."""
    rotations, pivots, scale = _joints(pose)
    centres = pivots + np.einsum("bij,bj->bi", rotations, ((_LOW + _HIGH) / 2 - _PIVOT) * scale)
    return Boxes(centres, rotations, (_HIGH - _LOW) * scale)


def player_keypoints(pose: PlayerPose) -> Float[np.ndarray, "keypoints 3"]:
    """World coordinates of the keypoints of `datasets.skeletons.PLAYER`, in metres."""
    rotations, pivots, scale = _joints(pose)
    offsets = (_KEYPOINT_POSITION - _PIVOT[_KEYPOINT_PART]) * scale
    turned = np.einsum("kij,kj->ki", rotations[_KEYPOINT_PART], offsets)
    return pivots[_KEYPOINT_PART] + turned


def _joints(
    pose: PlayerPose,
) -> tuple[Float[np.ndarray, "parts 3 3"], Float[np.ndarray, "parts 3"], float]:
    """World rotation and joint position of every part, and metres per pixel."""
    scale = pose.height / HEIGHT_PIXELS
    body = scipy.spatial.transform.Rotation.from_rotvec([0, 0, pose.yaw])
    # Angles about the axis to the body's left: a positive angle moves a hanging limb backwards.
    pitches = np.zeros(len(PARTS))
    for name, angle in limb_angles(pose).items():
        pitches[PART_INDEX[name]] = angle
    inward = np.zeros(len(PARTS))
    inward[PART_INDEX["right_arm"]] = 0.4 * np.sin(pose.strike * np.pi)
    turns = scipy.spatial.transform.Rotation.from_euler("ZY", np.stack([inward, pitches], axis=1))
    pivots = np.asarray(pose.position, float) + scale * body.apply(_PIVOT)
    return (body * turns).as_matrix(), pivots, scale


def limb_angles(pose: PlayerPose) -> dict[str, float]:
    """Angles of the head and the limbs about the axis to the left, in radians, forwards negative.

    Legs swing as cos(0.6662 swing [+ pi]) 1.4 amplitude, each arm opposite to its leg. A stroke
    moves the right arm forwards, fast at first. The game's stroke also twists the torso; this
    model does not.
    """
    phase = SWING_RATE * pose.swing
    leg = float(np.cos(phase)) * LEG_SWING * pose.amplitude
    arm = float(np.cos(phase)) * ARM_SWING * pose.amplitude
    thrown = np.sin(np.pi * (1 - (1 - pose.strike) ** 4))
    raised = 0.75 * (0.7 + pose.pitch) * np.sin(np.pi * pose.strike)
    return {
        "head": -pose.pitch,
        "right_leg": leg,
        "left_leg": -leg,
        "right_arm": -arm - float(1.2 * thrown + raised),
        "left_arm": arm,
    }


def limb_swing(swing: float, amplitude: float, way: float) -> tuple[float, float]:
    """Phase and amplitude of the limbs' swing a time step later, by the game's formula.

    Args:
        swing: Phase, as in `PlayerPose`.
        amplitude: Amplitude, as in `PlayerPose`.
        way: Horizontal distance of this time step, in metres.
    """
    amplitude += 0.4 * (min(4 * way, 1.0) - amplitude)
    return swing + amplitude, amplitude


# The game's axes are x east, y up, z south; this project's are x east, y north, z up. A block is a
# metre in both.
_GAME_TO_WORLD = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


def from_game_position(
    position: Float[np.ndarray, "*batch 3"],
) -> Float[np.ndarray, "*batch 3"]:
    """World metres of a position in the game's axes (x east, y up, z south)."""
    return np.asarray(position, float) @ _GAME_TO_WORLD.T


def to_game_position(
    position: Float[np.ndarray, "*batch 3"],
) -> Float[np.ndarray, "*batch 3"]:
    """The inverse of `from_game_position`."""
    return np.asarray(position, float) @ _GAME_TO_WORLD


def from_game_angles(yaw_degrees: float, pitch_degrees: float) -> tuple[float, float]:
    """Yaw and pitch in radians from the game's angles in degrees.

    The game counts yaw from south (+Z), clockwise seen from above, and pitch downwards.
    """
    return float(np.radians(-90.0 - yaw_degrees)), float(np.radians(-pitch_degrees))


def to_game_angles(yaw: float, pitch: float) -> tuple[float, float]:
    """The inverse of `from_game_angles`: yaw from south and pitch downwards, in degrees."""
    return float(-90.0 - np.degrees(yaw)), float(-np.degrees(pitch))
