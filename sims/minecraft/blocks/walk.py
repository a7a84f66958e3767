"""The player's motion on blocks: walking, stepping up, falling, looking, striking."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace

import numpy as np
from jaxtyping import Float

from sims.minecraft.backend import (
    FORWARD,
    LEFT,
    MAX_STEP,
    MAX_TILT,
    MAX_TURN,
    STRIKE,
    TILT,
    TURN,
    aims_at,
)
from sims.minecraft.blocks.world import HALF, World
from sims.minecraft.player import PlayerPose, limb_swing

HALF_WIDTH = 0.3  # half of the body's width, in metres
STEP_HEIGHT = 1.0  # highest step that a walker climbs, in metres: a block
CLIMB = 0.34  # metres upwards in a time step
GRAVITY = 0.08  # metres a time step, added in each time step
STROKE_STEPS = 6  # time steps of a stroke
STEEPEST_LOOK = np.radians(85)


@dataclass(frozen=True)
class Body:
    """The state that changes within an episode.

    Attributes:
        x, y, z: Position of the middle of the feet, in metres.
        yaw: Heading in radians.
        pitch: Elevation of the look in radians.
        swing: Phase of the limbs, see `PlayerPose`.
        amplitude: Amplitude of the limbs' swing.
        stroke: Number of time steps since the current stroke began, 0 without a stroke.
        fall: Downward speed, in metres a time step.
        struck: 1 once a stroke hit the goal.
    """

    x: float
    y: float
    z: float
    yaw: float
    pitch: float = 0.0
    swing: float = 0.0
    amplitude: float = 0.0
    stroke: float = 0.0
    fall: float = 0.0
    struck: float = 0.0

    @property
    def pose(self) -> PlayerPose:
        """The pose of the body's boxes."""
        return PlayerPose(
            position=np.array([self.x, self.y, self.z]),
            yaw=self.yaw,
            pitch=self.pitch,
            swing=self.swing,
            amplitude=self.amplitude,
            strike=self.stroke / STROKE_STEPS,
        )

    def to_array(self) -> Float[np.ndarray, " state"]:
        """All attributes, in order."""
        return np.array(astuple(self), np.float64)

    @classmethod
    def from_array(cls, state: Float[np.ndarray, " state"]) -> Body:
        """The inverse of `to_array`."""
        return cls(*(float(value) for value in state))


def advance(world: World, body: Body, action: Float[np.ndarray, 5]) -> Body:
    """The body one time step later, under an action of `sims.minecraft.backend.ACTION_NAMES`."""
    yaw = body.yaw + MAX_TURN * float(action[TURN])
    yaw = float((yaw + np.pi) % (2 * np.pi) - np.pi)
    pitch = float(np.clip(body.pitch + MAX_TILT * action[TILT], -STEEPEST_LOOK, STEEPEST_LOOK))
    moved = _walk(world, replace(body, yaw=yaw, pitch=pitch), action[[FORWARD, LEFT]])
    way = float(np.hypot(moved.x - body.x, moved.y - body.y))
    swing, amplitude = limb_swing(body.swing, body.amplitude, way)
    moved = replace(moved, amplitude=amplitude, swing=swing)
    if body.stroke:
        return replace(moved, stroke=(body.stroke + 1) % STROKE_STEPS)
    if action[STRIKE] <= 0:
        return moved
    struck = body.struck or float(aims_at(moved.pose, world.goal))
    return replace(moved, stroke=1.0, struck=struck)


def _walk(world: World, body: Body, wish: Float[np.ndarray, 2]) -> Body:
    """Moves as far as the ground allows, separately in x and y, so that it slides along walls."""
    wish = wish / max(1.0, float(np.linalg.norm(wish))) * MAX_STEP
    cos, sin = np.cos(body.yaw), np.sin(body.yaw)
    step = np.array([cos * wish[0] - sin * wish[1], sin * wish[0] + cos * wish[1]])
    place, top = np.array([body.x, body.y]), body.z
    for axis in (0, 1):
        there = place.copy()
        there[axis] += step[axis]
        ground = footing(world, there)
        if ground <= body.z + 1e-6:
            place = there
        # A body climbs only while it moves by more than 2 cm towards the step.
        elif ground <= body.z + STEP_HEIGHT + 1e-6 and abs(step[axis]) > 0.02:
            top = max(top, min(ground, body.z + CLIMB))
    fall, ground = 0.0, footing(world, place)
    if top == body.z > ground:
        fall = body.fall + GRAVITY
        top = max(ground, body.z - fall)
    return replace(body, x=float(place[0]), y=float(place[1]), z=float(top), fall=float(fall))


def footing(world: World, place: Float[np.ndarray, 2]) -> float:
    """Height of the ground below a body at (x, y), in metres; infinity where it cannot stand."""
    low = np.floor(place - HALF_WIDTH).astype(int) + HALF
    high = np.floor(place + HALF_WIDTH).astype(int) + HALF
    if (low < 0).any() or (high >= 2 * HALF).any():
        return np.inf
    under = slice(low[0], high[0] + 1), slice(low[1], high[1] + 1)
    return np.inf if world.blocked[under].any() else float(world.ground[under].max())
