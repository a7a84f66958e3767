"""The back end `minerl`: the game through minerl 0.4.4, with further agents as cameras.

It has not yet run with a live game. The mission (which the game's own schema accepts), the spaces
and nine agents were checked with the real package, all else with a stand-in for minerl's API.

Known differences that a live game may show:
- Here the body turns together with its head; in the game it follows the head later.
- Here a stroke begins when the key is pressed, a few time steps earlier than in the pictures.
- The game draws spectators to each other as faint heads, so cameras may show each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from datasets.cameras import Camera
from datasets.storage.episode_file import EGO
from sims.errors import SimulatorError
from sims.minecraft.backend import (
    FORWARD,
    HALF_BLOCK,
    LEFT,
    MAX_TILT,
    MAX_TURN,
    STRIKE,
    TILT,
    TURN,
    aims_at,
)
from sims.minecraft.minerl.process import FALLBACK, INSTALL_MINERL, MinerlProcess, shortcomings
from sims.minecraft.minerl.task import (
    EGO_FOVY_DEGREES,
    camera_at,
    draw_task,
    place_of,
    pose_at,
    spectator_cameras,
    spectator_place,
)
from sims.minecraft.player import (
    PARTS,
    Boxes,
    PlayerPose,
    limb_swing,
    player_boxes,
    to_game_position,
)
from sims.minecraft.sight import boxes_hit, silhouette, visible_on_body

# The game draws its player taller, in metres, than the body of 1.8 m that it moves.
SHOWN_HEIGHT = 1.875
STROKE_STEPS = 6
STEEPEST_LOOK = np.radians(85)
# Largest deviation of a camera's position, in metres, and direction, in radians, from its own.
MAX_SHIFT, MAX_TWIST = 0.05, np.radians(1.0)


class Key:
    """A pair of opposite keys, each pressed in a share of the time steps, between -1 and 1."""

    def __init__(self) -> None:
        """Begins with both keys up."""
        self._due = 0.0

    def press(self, share: float) -> int:
        """The key that is down in this time step: 1, -1 for its opposite, or 0 for none."""
        # The rest that was not pressed yet is carried over, so the average is the share.
        self._due += share
        pressed = int(np.sign(self._due)) if abs(self._due) >= 0.5 else 0
        self._due -= pressed
        return pressed


class MinerlBackend:
    """The live game as a `sims.minecraft.backend.Backend`."""

    def __init__(self, views: tuple[str, ...], size: int) -> None:
        """Checks that the game is installed; its instances start with the first episode.

        Raises:
            SimulatorError: When the game cannot be used; the message says what is missing.
        """
        self._views, self._size = views, size
        cameras = spectator_cameras(len(views) - 1, size)
        self._fixed = dict(zip(views[1:], cameras, strict=True))
        self._places = [spectator_place(camera) for camera in cameras]
        # Where the game hides its displays, it draws no part of the body in the first person.
        self._drawn = {view: np.full(len(PARTS), view != EGO) for view in views}
        self._process = MinerlProcess()
        try:
            self._found = self._process.ask("probe").header
            if lacks := shortcomings(self._found):
                raise SimulatorError(
                    f"The game cannot run here: {'; '.join(lacks)}. To run it, {INSTALL_MINERL}. "
                    f"{FALLBACK}"
                )
            start = place_of(draw_task(np.random.default_rng(0))[0])
            self._process.ask(
                "make", size=size, places=[start, *self._places], fov_degrees=EGO_FOVY_DEGREES
            )
        except SimulatorError:
            self._process.close()
            raise

    def place_cameras(self, rng: np.random.Generator | None) -> None:
        """Accepts None only: the game's spectators stay where they joined.

        Raises:
            SimulatorError: When `rng` is not None.
        """
        if rng is not None:
            raise SimulatorError(
                "The real game's spectators stay where they joined: leave out --random-cameras, or "
                "take the back end `blocks`."
            )

    def set_cameras(self, cameras: Mapping[str, Camera]) -> None:
        """Refuses all.

        Raises:
            SimulatorError: In any case.
        """
        raise SimulatorError(
            "The real game's spectators stay where they joined: leave out --cameras and "
            "--moving-cameras, or take the back end `blocks`."
        )

    def begin(self, seed: int) -> None:
        """Begins an episode."""
        start, self._goal = draw_task(np.random.default_rng(seed))
        self._keys = {FORWARD: Key(), LEFT: Key()}
        self._stroke, self._struck = 0, False
        goal = to_game_position(self._goal).tolist()
        answer = self._process.ask("reset", seed=seed, start=place_of(start), goal=goal)
        self._shown: PlayerPose | None = None
        self._look(*answer)

    def act(self, action: Float[np.ndarray, 5]) -> None:
        """Advances by a time step."""
        self._stroke = (self._stroke + 1) % STROKE_STEPS if self._stroke else 0
        strike = action[STRIKE] > 0 and not self._stroke
        pitch = self._pose.pitch + MAX_TILT * action[TILT]
        tilt = np.clip(pitch, -STEEPEST_LOOK, STEEPEST_LOOK) - self._pose.pitch
        forward, left = (self._keys[axis].press(float(action[axis])) for axis in (FORWARD, LEFT))
        answer = self._process.ask(
            "step",
            action={
                "forward": int(forward > 0),
                "back": int(forward < 0),
                "left": int(left > 0),
                "right": int(left < 0),
                "attack": int(strike),
                # Pitch, then yaw; the game counts both in the opposite direction.
                "camera": np.degrees([-tilt, -MAX_TURN * action[TURN]]).tolist(),
            },
        )
        if strike:
            self._stroke = 1
        self._look(*answer)
        if strike:
            self._struck |= aims_at(self._pose, self._goal)

    def _look(self, header: dict[str, Any], pictures: bytes) -> None:
        """Reads the answer: pictures and places of all agents."""
        shape = (len(self._views), self._size, self._size, 3)
        images = np.frombuffer(pictures, np.uint8).reshape(shape)
        self._images = dict(zip(self._views, images, strict=True))
        self._pose = pose_at(header["places"][0])
        for view, place, seen in zip(
            self._views[1:], header["places"][1:], header["seen"][1:], strict=True
        ):
            self._require_still(view, place)
            if not np.isfinite(seen).all():
                raise SimulatorError(f"In {view}, the game shows no player. {FALLBACK}")
        # All spectators receive the same data and draw the player alike, so one is enough.
        shown = pose_at(header["seen"][1])
        before = shown if self._shown is None else self._shown
        way = float(np.linalg.norm((shown.position - before.position)[:2]))
        swing, amplitude = limb_swing(before.swing, before.amplitude, way)
        self._shown = PlayerPose(
            shown.position,
            shown.yaw,
            shown.pitch,
            swing,
            amplitude,
            strike=self._stroke / STROKE_STEPS,
            height=SHOWN_HEIGHT,
        )

    def _require_still(self, view: str, place: list[float]) -> None:
        pose, camera = pose_at(place), self._fixed[view]
        shift = np.linalg.norm(pose.eyes - camera.position)
        # The distance of two almost equal unit vectors is the angle between them, in radians.
        twist = np.linalg.norm(pose.look - camera.world_to_camera[2, :3])
        if shift > MAX_SHIFT or twist > MAX_TWIST:
            raise SimulatorError(
                f"The game moved the camera {view} by {shift:.2f} m and "
                f"{np.degrees(twist):.1f} degrees from where it belongs, so that keypoints would "
                f"be wrong in its pictures. {FALLBACK}"
            )

    def player(self) -> PlayerPose:
        """The pose of the player's body as the game reports it."""
        return self._pose

    def shown_player(self) -> PlayerPose:
        """The pose of the body in the spectators' games, a little later than the player's."""
        assert self._shown is not None
        return self._shown

    def goal(self) -> Float[np.ndarray, 3]:
        """The middle of the goal block, in metres."""
        return self._goal

    def struck(self) -> bool:
        """Whether a stroke has hit the goal."""
        return self._struck

    def route(self) -> Float[np.ndarray, "points 2"]:
        """The goal alone, since the ground is open."""
        return self._goal[None, :2]

    def cameras(self) -> dict[str, Camera]:
        """The camera at the eyes, then the spectators'."""
        ego = camera_at(self._pose.eyes, self._pose.look, EGO_FOVY_DEGREES, self._size)
        return {EGO: ego, **self._fixed}

    def render(self) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        """The game's pictures of the current state."""
        return {view: image.copy() for view, image in self._images.items()}

    def render_view(self, view: str) -> UInt8[np.ndarray, "height width 3"]:
        """The game's picture from one view."""
        return self._images[view].copy()

    def visible(
        self, keypoints: Float[np.ndarray, "keypoints 3"]
    ) -> dict[str, Bool[np.ndarray, " keypoints"]]:
        """Whether each view sees each keypoint: hidden neither by the body nor by the goal."""
        return visible_on_body(
            self.cameras(),
            keypoints,
            player_boxes(self.shown_player()),
            self._drawn,
            lambda origins, points: boxes_hit(origins, points, self._goal_box())[:, 0],
        )

    def actor_masks(self) -> dict[str, Bool[np.ndarray, "height width"]]:
        """The pixels that show the player, from the body's geometry, as the game gives no masks."""
        boxes, goal = player_boxes(self.shown_player()), self._goal_box()
        return {
            view: silhouette(camera, boxes, goal)
            if view != EGO
            else np.zeros((self._size, self._size), bool)
            for view, camera in self.cameras().items()
        }

    def _goal_box(self) -> Boxes:
        return Boxes(self._goal[None], np.eye(3)[None], np.full((1, 3), 2 * HALF_BLOCK))

    def state(self) -> Float[np.ndarray, " state"]:
        """Position and look of the real and of the drawn body, the drawn limbs, and success."""
        pose, shown = self._pose, self.shown_player()
        bodies = [[*body.position, body.yaw, body.pitch] for body in (pose, shown)]
        return np.array(
            [*bodies[0], *bodies[1], shown.swing, shown.amplitude, shown.strike, self._struck]
        )

    def set_state(self, state: Float[np.ndarray, " state"]) -> None:
        """Raises an error: a live game cannot go back.

        Raises:
            SimulatorError: Always.
        """
        raise SimulatorError(f"A live game cannot go back to an earlier state. {FALLBACK}")

    def describe(self) -> dict[str, Any]:
        """Versions of minerl and Java."""
        return {name: self._found[name] for name in ("minerl", "java")}

    def renderer(self) -> str:
        """Name of the renderer, the game itself."""
        return f"Minecraft through minerl {self._found['minerl']}"

    def close(self) -> None:
        """Ends the game."""
        self._process.close()
