"""Motions of scripted experts for an arm under robosuite's default OSC_POSE controller.

An action is (dx, dy, dz, rotation vector, gripper) in [-1, 1], in the frame of the robot's base.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import scipy  # loads scipy.spatial at its first use, which help texts do not need
from jaxtyping import Float

from sims.env import Step

# The translation in metres and rotation in radians of an action of 1 (default_panda.json).
MAX_TRANSLATION = 0.05
MAX_ROTATION = 0.5
# The fastest turn of the hand, as a fraction of the full action.
MAX_TURN = 0.5
OPEN, CLOSED = -1.0, 1.0
# The controller covers only part of an action in a time step, so actions aim past the target.
GAIN = 2.0


class Arm(Protocol):
    """The arm, as an expert needs it."""

    def gripper_pose(self) -> tuple[Float[np.ndarray, 3], Float[np.ndarray, "3 3"]]:
        """Position in metres and rotation of the point between the finger tips."""
        ...


@dataclass
class Mover:
    """Moves a hand like a person with a joystick: bounded speed, smoothed, with a tremor.

    Attributes:
        arm: The arm.
        rng: Source of all random draws.
        rotation: Target orientation of the hand.
        tremor: Standard deviation of the noise on each action, as a fraction of the full action.
        smoothing: Share of the last action in the next, in [0, 1).
        gripper: `OPEN` or `CLOSED`.
    """

    arm: Arm
    rng: np.random.Generator
    rotation: Float[np.ndarray, "3 3"]
    tremor: float
    smoothing: float
    gripper: float = OPEN
    _last: Float[np.ndarray, 6] = field(default_factory=lambda: np.zeros(6))

    def move_to(
        self,
        target: Float[np.ndarray, 3],
        speed: float,
        phase: int,
        tolerance: float = 0.01,
        max_steps: int = 60,
    ) -> Iterator[Step]:
        """Moves to a world position until it is within `tolerance` metres of it.

        Args:
            target: Target position, in metres.
            speed: Longest translation of a step, as a fraction of the full action.
            phase: Phase of the steps.
            tolerance: Distance from the target at which the motion ends, in metres.
            max_steps: Number of steps after which the motion ends anywhere.
        """
        for _ in range(max_steps):
            position, rotation = self.arm.gripper_pose()
            if np.linalg.norm(target - position) < tolerance:
                return
            move = GAIN * (target - position) / MAX_TRANSLATION
            yield self._step(np.concatenate([_shorten(move, speed), self._turn(rotation)]), phase)

    def rest(self, steps: int, phase: int) -> Iterator[Step]:
        """Stays in place, except for the tremor."""
        for _ in range(steps):
            _, rotation = self.arm.gripper_pose()
            yield self._step(np.concatenate([np.zeros(3), self._turn(rotation)]), phase)

    def _turn(self, rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, 3]:
        error = (
            scipy.spatial.transform.Rotation.from_matrix(self.rotation @ rotation.T).as_rotvec()
            / MAX_ROTATION
        )
        return _shorten(error, MAX_TURN)

    def _step(self, motion: Float[np.ndarray, 6], phase: int) -> Step:
        self._last = self.smoothing * self._last + (1 - self.smoothing) * motion
        # Rotations tremble less than translations.
        noise = self.rng.normal(0, self.tremor, 6) * np.array([1, 1, 1, 0.3, 0.3, 0.3])
        action = np.clip(self._last + noise, -1, 1)
        return Step(np.append(action, self.gripper), phase)


def _shorten(vector: Float[np.ndarray, 3], longest: float) -> Float[np.ndarray, 3]:
    length = float(np.linalg.norm(vector))
    return vector * (longest / length) if length > longest else vector


def downward(angle: float) -> Float[np.ndarray, "3 3"]:
    """Rotation of a hand that points down and opens along `angle`, in radians from world x."""
    opening = np.array([np.cos(angle), np.sin(angle), 0.0])
    approach = np.array([0.0, 0.0, -1.0])
    return np.stack([opening, np.cross(approach, opening), approach], axis=1)


def nearest_grasp_angle(
    hand: Float[np.ndarray, "3 3"], cube: Float[np.ndarray, "3 3"], quarter_turns: int = 0
) -> float:
    """The opening angle along a side of a cube that needs the smallest turn of the hand.

    Args:
        hand: Rotation of the hand, whose x axis is its opening direction.
        cube: Rotation of the cube.
        quarter_turns: Number of quarter turns to add, which select another pair of sides.
    """
    current = np.arctan2(hand[1, 0], hand[0, 0])
    side = np.arctan2(cube[1, 0], cube[0, 0])
    # A cube looks the same after a quarter turn, so the turn is at most an eighth of a circle.
    turn = (side - current + np.pi / 4) % (np.pi / 2) - np.pi / 4
    return float(current + turn + quarter_turns * np.pi / 2)


def tilted(
    rotation: Float[np.ndarray, "3 3"], axis_angle: float, tilt: float
) -> Float[np.ndarray, "3 3"]:
    """Tilts a rotation by `tilt` radians about the horizontal axis at `axis_angle`."""
    axis = np.array([np.cos(axis_angle), np.sin(axis_angle), 0.0])
    return scipy.spatial.transform.Rotation.from_rotvec(tilt * axis).as_matrix() @ rotation
