"""Bodies of a user's files in PyBullet as a multi-view scene: pictures, keypoints, state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
from gymnasium.spaces import Box, Dict
from jaxtyping import Bool, Float, UInt8

from datasets.cameras import Camera
from datasets.errors import require_known
from sims.bullet.bodies import BASE, Body, Joint, link_pose
from sims.bullet.client import BulletClient
from sims.bullet.lighting import USUAL_LIGHTING, Lighting
from sims.bullet.points import LinkPoints
from sims.bullet.scene_views import SceneViews, paint
from sims.bullet.views import UPRIGHT, View
from sims.errors import OptionError, SimulatorError
from sims.scenes.physics import SteppedScene
from sims.survey import BACKGROUND, ROBOT, Survey

# Radians or metres by which a joint is moved at most at the start of an episode.
JITTER = 0.1
# Poses of all joints by which their reach is judged.
POSES = 64
# No scene is as large as this, in metres: what comes here was thrown out by broken physics.
TOO_FAR = 1e4
# Bodies lie this far from each other, in metres, while contacts of an earlier state are removed.
APART = 1000.0


class BulletWorld(SteppedScene):
    """A scene of loaded bodies.

    Attributes:
        client: PyBullet's server; `client.call("getContactPoints", …)` calls any of its functions.
    """

    client: BulletClient
    _views: SceneViews
    _bodies: tuple[Body, ...]
    _motors: tuple[Joint, ...]
    _points: LinkPoints
    _paint: int | None = None
    _seen: dict[str, View] | None = None

    @abstractmethod
    def joint_positions(self) -> Float[np.ndarray, " motors"]:
        """Positions of the joints that actions move, in radians and metres."""

    @abstractmethod
    def set_joints(self, positions: Sequence[float] | np.ndarray) -> None:
        """Puts the joints that actions move to positions, at rest."""

    # Names.

    def part(self, name: str) -> tuple[int, int]:
        """Numbers of a body and a link in PyBullet, of `body/link`, or of `body` for its base.

        Raises:
            UnknownNameError: When there is none.
        """
        for body in self._bodies:
            if name == body.name:
                return body.number, BASE
            if name in body.links:
                return body.number, body.links[name]
        known = [*(body.name for body in self._bodies), *self.body_names()]
        require_known(f"link of {self.scene_name}", name, known)
        raise AssertionError

    def body_names(self) -> Sequence[str]:
        """`body/link` of all links."""
        return [link for body in self._bodies for link in body.links]

    def last_body(self) -> str:
        """The link of the last point."""
        return self.skeleton.keypoints[-1]

    def body_pose(self, body: str) -> Float[np.ndarray, "4 4"]:
        """The transform from a link's frame to the world, in metres."""
        return link_pose(self.client, *self.part(body))

    # The scene's cameras: PyBullet's files hold none.

    def camera_names(self) -> Sequence[str]:
        """None."""
        return ()

    def scene_camera(self, name: str) -> Camera:
        """Raises an OptionError."""
        raise OptionError(f"{self.scene_name} holds no camera, and so none is called {name!r}.")

    def require_still(self, name: str) -> None:
        """Raises an OptionError."""
        self.scene_camera(name)

    # Pictures.

    def draw_scene(self, rng: np.random.Generator | None) -> None:
        """Draws the colours of all but the actor, and the light; None selects the files' own."""
        self._paint = None if rng is None else int(rng.integers(2**63))

    def refresh(self) -> None:
        """Paints the bodies of a new episode, and draws those that stand."""
        lighting = USUAL_LIGHTING
        if self._paint is not None:
            rng = np.random.default_rng(self._paint)
            lighting = Lighting.random(rng)
            for body in self._bodies:
                if body.number not in self._points.actor:
                    paint(self.client, body.number, rng)
        standing = [
            body.number
            for body in self._bodies
            if body.stands and body.number not in self._points.actor
        ]
        moving = [body.number for body in self._bodies if body.number not in standing]
        self._views.begin(self._third, lighting, standing, moving, self._box)
        self._seen = None

    def set_cameras(self, cameras: Mapping[str, Camera]) -> None:
        """Moves the third-person cameras from now on."""
        super().set_cameras(cameras)
        self._seen = None

    def render_views(self) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        """Renders the current state from every view, upright RGB."""
        self._seen = self._views.look(self.cameras())
        return {view: seen.image.copy() for view, seen in self._seen.items()}

    def render_view(self, view: str) -> UInt8[np.ndarray, "height width 3"]:
        """Renders the current state from one view, upright RGB."""
        return self._views.look({view: self.cameras()[view]})[view].image.copy()

    def _look(self) -> dict[str, View]:
        if self._seen is None:
            self._seen = self._views.look(self.cameras())
        return self._seen

    def actor_masks(self) -> dict[str, Bool[np.ndarray, "height width"]]:
        """The pixels of each view that show the bodies that carry the points."""
        return {
            view: np.logical_or.reduce([seen.mask(body) for body in sorted(self._points.actor)])
            for view, seen in self._look().items()
        }

    def instances(self) -> tuple[str, ...]:
        """The background, the actor, and each other body."""
        return (BACKGROUND, ROBOT, *self._things)

    @property
    def _things(self) -> dict[str, int]:
        return {b.name: b.number for b in self._bodies if b.number not in self._points.actor}

    def survey_views(self) -> dict[str, Survey]:
        """Depth and instances of the current state, by the same pass that draws the pictures."""
        of_body = dict.fromkeys(self._points.actor, 1)
        of_body |= {number: i for i, number in enumerate(self._things.values(), 2)}
        return {
            view: Survey(seen.depth(), seen.instances(of_body))
            for view, seen in self._look().items()
        }

    # Keypoints.

    def keypoints(self) -> Float[np.ndarray, "keypoints 3"]:
        """World coordinates of the points, in metres."""
        return self._points.positions(self.client)

    def visible(self) -> dict[str, Bool[np.ndarray, " keypoints"]]:
        """Whether each view sees each keypoint, by segmentation and depth of the same pictures."""
        points, cameras, found = self.keypoints(), self.cameras(), self._points
        return {
            view: seen.sees(cameras[view], points, found.own_segments, found.depth)
            for view, seen in self._look().items()
        }

    def move_joints(self, rng: np.random.Generator) -> None:
        """Moves each joint of the actions by up to `JITTER` within its range."""
        moved = self.joint_positions() + rng.uniform(-JITTER, JITTER, len(self._motors))
        low, high = np.array([(joint.low, joint.high) for joint in self._motors]).T
        self.set_joints(np.clip(moved, low, high).tolist())

    def reach(self) -> Float[np.ndarray, "corners 3"]:
        """Corners of the box that holds the actor's links in many poses of its joints."""
        rng, corners = np.random.default_rng(0), self._extremes()
        low, high = self._spans(np.concatenate(corners)).T
        start = self.joint_positions()
        for _ in range(POSES):
            self.set_joints(rng.uniform(low, high).tolist())
            corners += self._extremes()
        self.set_joints(start.tolist())
        return np.concatenate(corners)

    def _extremes(self) -> list[Float[np.ndarray, "points 3"]]:
        """World points around the actor as it stands now."""
        boxes = [
            self.client.call("getAABB", body.number, link)
            for body in self._bodies
            if body.number in self._points.actor
            for link in body.shown
        ]
        return [self.keypoints(), *map(np.array, boxes)]

    def _spans(self, actor: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "joints 2"]:
        """How far each joint may go for cameras to follow, from points around the actor."""
        # Carts often have slides with limits far beyond the scene.
        most = float(np.linalg.norm(np.ptp(actor, axis=0))) / 2
        spans = []
        for joint, at in zip(self._motors, self.joint_positions().tolist(), strict=True):
            low, high = (joint.low, joint.high) if joint.limited else (at - np.pi, at + np.pi)
            if not joint.turns:
                low, high = max(low, at - most), min(high, at + most)
            spans.append((low, high))
        return np.array(spans)

    # State.

    def require_stable(self, cause: str) -> None:
        """Raises a SimulatorError when a position is not finite, or a body is far away."""
        numbers = self.state()
        if not np.isfinite(numbers).all() or np.abs(numbers[1:]).max(initial=0) > TOO_FAR:
            raise SimulatorError(
                f"{self.scene_name} became unstable {cause}: its positions are no longer numbers "
                "or grow without end. Act more gently, or raise control_hz."
            )

    def state(self) -> Float[np.ndarray, " state"]:
        """Steps taken; pose and velocity of each body, then those of its joints."""
        call, numbers = self.client.call, [float(self._steps)]
        for body in self._bodies:
            numbers += chain(*call("getBasePositionAndOrientation", body.number))
            numbers += chain(*call("getBaseVelocity", body.number))
            for position, velocity, *_ in self._joint_states(body):
                numbers += [*position, *velocity]
        return np.array(numbers)

    def _joint_states(self, body: Body) -> Sequence[tuple[tuple[float, ...], ...]]:
        joints = _moving(body)
        if not joints:
            return ()
        found: Sequence[tuple[tuple[float, ...], ...]] = self.client.call(
            "getJointStatesMultiDof", body.number, joints
        )
        return found

    def set_state(self, state: Float[np.ndarray, " state"]) -> None:
        """Restores a state of the current episode.

        Continuing from it gives the same states every time. Where bodies touch, they differ
        slightly from the original ones, since a state holds no contact forces.
        """
        call = self.client.call
        # PyBullet keeps contacts and their forces while two bodies stay close.
        for i, body in enumerate(self._bodies):
            place = (0.0, 0.0, APART * (i + 1))
            call("resetBasePositionAndOrientation", body.number, place, UPRIGHT)
        call("performCollisionDetection")
        numbers = np.asarray(state, np.float64).tolist()
        self._steps, at = int(numbers[0]), 1
        for body in self._bodies:
            pose, velocity = numbers[at : at + 7], numbers[at + 7 : at + 13]
            call("resetBasePositionAndOrientation", body.number, pose[:3], pose[3:])
            call("resetBaseVelocity", body.number, velocity[:3], velocity[3:])
            at = self._restore_joints(body, numbers, at + 13)
        self._seen = None

    def _restore_joints(self, body: Body, numbers: list[float], at: int) -> int:
        """Restores the joints whose numbers begin at a place of a state; returns their end."""
        states = self._joint_states(body)
        for joint, (position, velocity, *_) in zip(_moving(body), states, strict=True):
            middle = at + len(position)
            end = middle + len(velocity)
            parts = numbers[at:middle], numbers[middle:end]
            self.client.call("resetJointStateMultiDof", body.number, joint, *parts)
            at = end
        return at

    def observe(self) -> dict[str, np.ndarray]:
        """Positions and velocities of all joints and the poses of the bodies that are free."""
        call = self.client.call
        states = [state for body in self._bodies for state in self._joint_states(body)]
        poses = [
            call("getBasePositionAndOrientation", body.number) for body in self._bodies if body.free
        ]
        parts = {
            "qpos": np.array([value for position, *_ in states for value in position]),
            "qvel": np.array([value for _, velocity, *_ in states for value in velocity]),
            "bodies": np.array([value for pose in poses for part in pose for value in part]),
        }
        return {name: part for name, part in parts.items() if part.size}

    def set_observation_space(self) -> None:
        """Describes what `observe` returns, in a loaded scene."""
        self.observation_space = Dict(  # type: ignore[assignment]
            {
                name: Box(-np.inf, np.inf, value.shape, np.float64)
                for name, value in self.observe().items()
            }
        )

    def renderer(self) -> str:
        """Name of the renderer."""
        return self.client.driver

    def close(self) -> None:
        """Stops PyBullet."""
        self.client.close()


def _moving(body: Body) -> list[int]:
    return sorted([*(joint.number for joint in body.joints), *body.others])
