"""A scripted walker for the Minecraft-style world, varied like people's motions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Float

from sims.env import Step
from sims.minecraft.backend import MAX_TILT, MAX_TURN, aims_at
from sims.minecraft.player import PlayerPose

PHASES = ("turn", "walk", "strike")
TURN, WALK, STRIKE = range(3)
# Time steps after which the walk and the strikes end, for a walker who is stuck or misses.
MOST_WALK_STEPS = 180
MOST_STRIKE_STEPS = 24
# A waypoint counts as passed within this distance, in metres.
PASSED = 0.5


class Walker(Protocol):
    """The world, as the expert needs it."""

    def player(self) -> PlayerPose:
        """The player's body."""
        ...

    def goal(self) -> Float[np.ndarray, 3]:
        """The middle of the goal block, in metres."""
        ...

    def route(self) -> Float[np.ndarray, "points 2"]:
        """Waypoints of a free path from the player to the goal, in metres."""
        ...

    def success(self) -> bool:
        """Whether a stroke has hit the goal."""
        ...


@dataclass(frozen=True)
class Manner:
    """The style of one episode, drawn once at its start.

    Attributes:
        speed: Speed relative to the full walk.
        turn: Largest turn relative to the fastest turn.
        smoothing: Share of the last action in the next, in [0, 1).
        tremor: Standard deviation of the noise on each action.
        weave: Amplitude of the sway from side to side, in radians of heading.
        pauses: Number of stops to look around during the walk.
        stop_at: Distance to the goal's middle at which the walk ends, in metres.
        strokes: Number of strokes.
    """

    speed: float
    turn: float
    smoothing: float
    tremor: float
    weave: float
    pauses: int
    stop_at: float
    strokes: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Manner:
        """Draws a manner."""
        return cls(
            speed=float(np.exp(rng.uniform(np.log(0.45), np.log(1.0)))),
            turn=float(rng.uniform(0.35, 0.9)),
            smoothing=float(rng.uniform(0.2, 0.6)),
            tremor=float(rng.uniform(0.01, 0.05)),
            weave=float(rng.uniform(0.0, 0.25)),
            pauses=int(rng.choice(3, p=(0.4, 0.4, 0.2))),
            stop_at=float(rng.uniform(1.25, 1.9)),
            strokes=int(rng.integers(1, 4)),
        )


@dataclass
class Strider:
    """Turns intended motions into actions: bounded rates, smoothed, with a tremor.

    Attributes:
        walker: The player and its world.
        rng: Source of all random draws.
        manner: Style of this episode.
    """

    walker: Walker
    rng: np.random.Generator
    manner: Manner
    _last: Float[np.ndarray, 4] = field(default_factory=lambda: np.zeros(4))

    def step(
        self,
        phase: int,
        forward: float = 0.0,
        left: float = 0.0,
        heading: float | None = None,
        elevation: float | None = None,
        strike: bool = False,
    ) -> Step:
        """One action towards a heading and an elevation in radians; None keeps the current one."""
        pose = self.walker.player()
        turn = 0.0 if heading is None else wrap(heading - pose.yaw) / MAX_TURN
        tilt = 0.0 if elevation is None else (elevation - pose.pitch) / MAX_TILT
        turn, tilt = np.clip([turn, tilt], -self.manner.turn, self.manner.turn)
        wish = np.array([forward, left, turn, tilt])
        # Turn and tilt are closed loops, which would oscillate with strong smoothing.
        smoothing = self.manner.smoothing * np.array([1.0, 1.0, 0.5, 0.5])
        self._last = smoothing * self._last + (1 - smoothing) * wish
        noise = self.rng.normal(0, self.manner.tremor, 4) * np.array([1.0, 1.0, 0.5, 0.3])
        # Who stands does not tremble from place to place.
        noise[:2] *= np.abs(self._last[:2]) > 0.05
        action = np.append(self._last + noise, 1.0 if strike else -1.0)
        return Step(np.clip(action, -1, 1), phase)

    def rest(self, steps: int, phase: int) -> Iterator[Step]:
        """Stands and looks around."""
        pose = self.walker.player()
        heading = pose.yaw + self.rng.normal(0, 0.5)
        elevation = self.rng.uniform(-0.3, 0.15)
        for _ in range(steps):
            yield self.step(phase, heading=heading, elevation=elevation)


def wrap(angle: float) -> float:
    """The same angle in [-pi, pi)."""
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def minecraft_expert(walker: Walker, rng: np.random.Generator) -> Iterator[Step]:
    """Turns to the goal, walks to it around obstacles, and strikes it.

    Episodes vary in the speed, sway and detours of the walk, pauses to look around, the distance
    and number of the strokes, and the time between them.
    """
    strider = Strider(walker, rng, Manner.draw(rng))
    yield from _turn(strider)
    yield from _walk(strider)
    yield from _strike(strider)


def _turn(strider: Strider) -> Iterator[Step]:
    if strider.rng.random() < 0.5:
        yield from strider.rest(int(strider.rng.integers(3, 10)), TURN)
    target = strider.walker.route()[0]
    for _ in range(40):
        pose = strider.walker.player()
        heading = _heading(pose, target)
        yield strider.step(TURN, heading=heading, elevation=0.0)
        if abs(wrap(heading - strider.walker.player().yaw)) < np.radians(15):
            return


def _walk(strider: Strider) -> Iterator[Step]:
    manner, rng, walker = strider.manner, strider.rng, strider.walker
    route = list(walker.route())
    start = _distance_to_goal(walker)
    # Each pause comes at a random share of the initial distance.
    pauses = sorted(rng.uniform(0.15, 0.85, manner.pauses), reverse=True)
    sway, rate = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.25)
    for time in range(MOST_WALK_STEPS):
        distance = _distance_to_goal(walker)
        if distance <= manner.stop_at:
            return
        if pauses and distance < start * pauses[0]:
            pauses.pop(0)
            yield from strider.rest(int(rng.integers(5, 14)), WALK)
        pose = walker.player()
        while len(route) > 1 and np.linalg.norm(route[0] - pose.position[:2]) < PASSED:
            route.pop(0)
        straight = _heading(pose, route[0])
        open_way = len(route) == 1 and distance > 3
        heading = straight + manner.weave * np.sin(sway + rate * time) * open_way
        error = wrap(heading - pose.yaw)
        # The walk slows down while the player looks in another direction.
        forward = manner.speed * max(float(np.cos(error)), 0.0) ** 2
        elevation = np.clip(_elevation(pose, walker.goal()), -0.6, 0.3) if distance < 4 else -0.08
        yield strider.step(WALK, forward=forward, heading=heading, elevation=float(elevation))


def _strike(strider: Strider) -> Iterator[Step]:
    manner, rng, walker = strider.manner, strider.rng, strider.walker
    # People do not aim exactly at the middle of the block.
    target = walker.goal() + rng.uniform(-0.2, 0.2, 3)
    for _ in range(int(rng.integers(0, 6))):
        yield _aim(strider, target)
    left = manner.strokes
    for _ in range(MOST_STRIKE_STEPS):
        if not left:
            break
        ready = aims_at(walker.player(), walker.goal())
        yield _aim(strider, target, strike=ready)
        if not ready:
            continue
        left -= 1
        for _ in range(int(rng.integers(5, 11))):
            yield _aim(strider, target)


def _aim(strider: Strider, target: Float[np.ndarray, 3], strike: bool = False) -> Step:
    pose = strider.walker.player()
    heading = _heading(pose, target[:2])
    return strider.step(STRIKE, heading=heading, elevation=_elevation(pose, target), strike=strike)


def _heading(pose: PlayerPose, target: Float[np.ndarray, 2]) -> float:
    offset = target - pose.position[:2]
    return float(np.arctan2(offset[1], offset[0]))


def _elevation(pose: PlayerPose, target: Float[np.ndarray, 3]) -> float:
    offset = target - pose.eyes
    return float(np.arctan2(offset[2], np.linalg.norm(offset[:2])))


def _distance_to_goal(walker: Walker) -> float:
    return float(np.linalg.norm(walker.goal()[:2] - walker.player().position[:2]))
