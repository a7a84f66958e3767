"""A take that is being composed: the actor's posture, the furniture around, and held objects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from sims.mocap.body import SOLES
from sims.mocap.everyday import props
from sims.mocap.everyday.actor import ELBOW, MOUTH, PALM, SIGN, Actor
from sims.mocap.everyday.build import Build
from sims.mocap.everyday.calm import drift
from sims.mocap.everyday.paths import Path, Waypoint, swell, through, tremble
from sims.mocap.everyday.props import Part, Prop
from sims.mocap.motion import FPS, MIN_FRAMES, Motion, Style

# Heights for a person of the captured person's size, in metres.
SEAT, DESK, COUNTER = (0.42, 0.48), (0.66, 0.74), (0.84, 0.94)
# Height of the pelvis's joint above the seat of a person who sits.
ABOVE_SEAT = 0.06
# Distance of a table's edge in front of the pelvis.
EDGE = (0.17, 0.24)
# How straight the legs of a standing person are.
STRAIGHT = (0.965, 0.992)


class Draft:
    """A performance in the making; positions are metres in the frame of its motion.

    Attributes:
        rng: Source of all draws.
        build: The body.
        style: The subject's way of moving.
        share: Time of each frame, from 0 to 1.
        seconds: Time of each frame.
        actor: The body over time.
        props: Furniture and objects so far.
        top: Height of the table; 0 without one.
        edge: Where the table begins in front of the pelvis.
    """

    def __init__(
        self, rng: np.random.Generator, build: Build, style: Style, seconds: tuple[float, float]
    ) -> None:
        """Draws how long the take lasts and how the person stands."""
        self.rng, self.build, self.style = rng, build, style
        count = max(MIN_FRAMES, int(rng.uniform(*seconds) / style.speed * FPS))
        self.share = np.linspace(0, 1, count)
        self.seconds = np.arange(count) / FPS
        self.actor = Actor(build, drift(rng, style, count))
        self.props: list[Prop] = []
        self.top = self.edge = 0.0

    def between(self, low: float, high: float) -> float:
        """A number drawn from a range."""
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        """Whether something happens that does so with this probability."""
        return bool(self.rng.random() < share)

    def beats(self, *moments: float) -> list[float]:
        """Moments of the take, moved by up to a twentieth of it, that stay in order."""
        moved = np.sort(np.array(moments) + self.rng.uniform(-0.05, 0.05, len(moments)))
        return np.clip(moved, 0.01, 0.99).tolist()

    @property
    def standing_height(self) -> float:
        """A height of the pelvis with nearly straight legs."""
        return self.build.sole + self.between(*STRAIGHT) * self.build.leg

    def stand(self, way: Waypoint | None = None, feet: float = 0.0) -> None:
        """Stands on two feet, whose places are drawn.

        Args:
            way: Position of the pelvis, over time or throughout; above the feet by default.
            feet: How far in front of the origin the feet stand.
        """
        self.actor.root[:] = (feet, self.standing_height, 0.0) if way is None else way
        for side, sign in SIGN.items():
            width = self.between(0.09, 0.17) * self.build.size
            x = feet + self.between(-0.06, 0.06)
            self.actor.plant(side, x, sign * width, self.between(2, 20))

    def seat(self) -> float:
        """Draws the height of a seat."""
        return self.between(*SEAT) * self.build.size

    def chair(self, seat: float, x: float) -> None:
        """Puts a chair there, whose seat is at a height and whose middle is at x."""
        place, yaw = (x, 0.0, 0.0), self.between(-0.08, 0.08)
        self.add(props.standing(props.chair(self.rng, seat), place, yaw))

    def sit(self) -> None:
        """Sits on a chair."""
        seat = self.seat()
        self.chair(seat, -0.02)
        self.actor.bend("root", self.between(-8, 4))
        self.stand(np.array([0.0, seat + ABOVE_SEAT, 0.0]), 0.36 * self.build.size)

    def table(self, seated: bool) -> None:
        """Puts a table in front of the person, with some things on it."""
        self.top = self.between(*(DESK if seated else COUNTER)) * self.build.size
        self.edge = self.between(*EDGE) * self.build.size
        half = (self.between(0.25, 0.36), self.between(0.45, 0.75))
        place = (self.edge + half[0], 0.0, self.between(-0.1, 0.1))
        self.add(props.standing(props.table(self.rng, half, self.top), place))
        for sign in (-1, 1):
            if self.chance(0.35):
                spot = self.spot(self.between(0.3, 0.4), sign * self.between(0.38, half[1]))
                self.add(props.standing(_thing(self.rng), (spot[0], spot[1] + 0.06, spot[2])))

    def at_table(self, seated: float) -> None:
        """Stands or, with this probability, sits at a table."""
        self.table(seated=self.anywhere(seated))

    def anywhere(self, seated: float = 0.4) -> bool:
        """Stands or, with this probability, sits; returns whether the person sits."""
        if sits := self.chance(seated):
            self.sit()
        else:
            self.stand()
        return sits

    def walk(self, motion: Motion) -> None:
        """Replaces all that the body does by a motion, whose root is in metres of this body."""
        self.share, self.seconds = np.linspace(0, 1, len(motion)), motion.times
        self.actor = Actor(self.build, motion)
        soles = np.stack([self.actor.point(sole)[:, 1] for sole in SOLES])
        root = self.actor.root
        root[:, 1] -= soles.min(axis=0)
        root[:, [0, 2]] -= (root[:, [0, 2]].min(axis=0) + root[:, [0, 2]].max(axis=0)) / 2

    def spot(self, depth: float, z: float) -> Float[np.ndarray, 3]:
        """A place on the table, so far behind its edge."""
        return np.array([self.edge + depth * self.build.size, self.top, z * self.build.size])

    def look(self, down: float, turn: float = 0.0, lean: float = 0.0) -> None:
        """Bends head and trunk, by degrees."""
        gentle = swell(self.share, [0.0, self.between(0.1, 0.3)], [0.6, 1.0])
        self.actor.bend("neck", gentle * (down + self.between(-6, 6)), turn + self.between(-8, 8))
        self.actor.bend("chest", gentle * (lean + self.between(-4, 4)), turn / 3)

    def near(self, x: float, y: float, z: float, place: str = "mid_spine") -> Path:
        """A point in front of the trunk, in metres of the captured person, that moves with it."""
        return self.actor.keypoint(place) + np.array([x, y, z]) * self.build.size

    def mouth(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Path:
        """A point at the mouth, moved by an offset."""
        return self.actor.point(MOUTH) + np.array([x, y, z]) * self.build.size

    def rest(self, side: str) -> Path:
        """Where a palm is in the pose of the source clips."""
        return self.actor.point(PALM[side])

    def guide(
        self,
        side: str,
        moments: list[float],
        points: list[Waypoint],
        elbow: Float[np.ndarray, 3] = ELBOW,
    ) -> Path:
        """Moves a palm through points at moments, and returns where it really gets."""
        path = through(self.share, moments, points) + tremble(self.rng, self.seconds)
        return self.steer(side, path, elbow)

    def steer(self, side: str, path: Path, elbow: Float[np.ndarray, 3] = ELBOW) -> Path:
        """Moves a palm along a path, and returns where it really gets."""
        self.actor.reach(side, path, elbow)
        return self.rest(side)

    def add(self, prop: Prop) -> None:
        """Adds a prop."""
        self.props.append(prop)

    def hold(
        self,
        parts: tuple[Part, ...],
        path: Path,
        tilt: Float[np.ndarray, " time"] | float = 0.0,
        turns: Rotation | None = None,
    ) -> None:
        """Adds a held object, tilted towards the person by degrees."""
        if turns is None:
            vectors = np.zeros((len(path), 3))
            vectors[:, 2] = np.radians(tilt)
            turns = Rotation.from_rotvec(vectors)
        self.add(props.moving(parts, path, turns))

    def lifted(self, path: Path, taken: float, place: Path | Float[np.ndarray, 3]) -> Path:
        """A path that stays at a place until a moment, and is the hand's from then on."""
        return np.where(self.share[:, None] < taken, place, path)


THINGS: tuple[Callable[[np.random.Generator], tuple[Part, ...]], ...] = (
    props.cup,
    props.bottle,
    props.parcel,
)


def _thing(rng: np.random.Generator) -> tuple[Part, ...]:
    return THINGS[rng.integers(len(THINGS))](rng)
