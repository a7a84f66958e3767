"""The back end `blocks`: a world of blocks, simulated in NumPy and drawn by Panda3D."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from datasets.cameras import Camera
from datasets.storage.episode_file import EGO
from sims import rig
from sims.minecraft.blocks.route import find_route
from sims.minecraft.blocks.scene import HIDDEN_FROM_EGO, BlocksScene
from sims.minecraft.blocks.textures import Kind
from sims.minecraft.blocks.walk import Body, advance
from sims.minecraft.blocks.world import ARENA_RADIUS, ORIGIN, World, make_world
from sims.minecraft.player import PARTS, PlayerPose, player_boxes
from sims.minecraft.sight import blocks_hit, visible_on_body

EGO_FOVY_DEGREES = 70.0
# Ranges of the third-person cameras, in degrees and metres: all around, low to high, near and far.
ELEVATION_DEGREES = (8.0, 56.0)
DISTANCE = (6.5, 12.0)
# Heights in metres that cameras must show: the lowest ground, and the head of a player on the
# highest.
HEIGHTS = (-1.0, 2.3)


def third_person_cameras(
    num_views: int, size: int, rng: np.random.Generator | None = None
) -> list[Camera]:
    """Cameras around the arena that each show all of it.

    Args:
        num_views: Number of cameras.
        size: Height and width of the images in pixels.
        rng: Source of random cameras; without it they are always the same.
    """
    around = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    rim = ARENA_RADIUS * np.stack([np.cos(around), np.sin(around)], axis=1)
    workspace = np.concatenate([np.column_stack([rim, np.full(16, z)]) for z in HEIGHTS])
    places = rig.all_around(num_views, ELEVATION_DEGREES, DISTANCE, rng) + [0, 0, 1.0]
    return [rig.frame(place, workspace, size) for place in places]


class BlocksBackend:
    """The world of blocks as a `sims.minecraft.backend.Backend`."""

    def __init__(self, views: tuple[str, ...], size: int) -> None:
        """Opens the renderer.

        Raises:
            SimulatorError: When Panda3D or a library of the system is missing.
        """
        self._size = size
        self._scene = BlocksScene(views, size)
        self._third_person = views[1:]
        self.place_cameras(None)
        drawn = np.array([part not in HIDDEN_FROM_EGO for part in PARTS])
        self._drawn = {view: drawn | (view != EGO) for view in views}
        self.begin(seed=0)

    def place_cameras(self, rng: np.random.Generator | None) -> None:
        """Draws the third-person cameras; None selects the fixed ones."""
        cameras = third_person_cameras(len(self._third_person), self._size, rng)
        self._fixed = dict(zip(self._third_person, cameras, strict=True))

    def set_cameras(self, cameras: Mapping[str, Camera]) -> None:
        """Moves the third-person cameras from now on."""
        self._fixed = dict(cameras)

    def begin(self, seed: int) -> None:
        """Begins an episode; the world is loaded into the renderer with the first picture."""
        self._world: World = make_world(np.random.default_rng(seed))
        self._solid = self._world.blocks != Kind.AIR
        x, y, z = self._world.start.tolist()
        self._body = Body(x, y, z, self._world.start_yaw)
        self._loaded = False

    def act(self, action: Float[np.ndarray, 5]) -> None:
        """Advances by a time step."""
        self._body = advance(self._world, self._body, action)

    def player(self) -> PlayerPose:
        """The current pose of the player's body."""
        return self._body.pose

    def shown_player(self) -> PlayerPose:
        """The same pose: every view is drawn from one state."""
        return self._body.pose

    def goal(self) -> Float[np.ndarray, 3]:
        """The middle of the goal block, in metres."""
        return self._world.goal

    def struck(self) -> bool:
        """Whether a stroke has hit the goal."""
        return bool(self._body.struck)

    def route(self) -> Float[np.ndarray, "points 2"]:
        """Waypoints from the player to the goal, in metres."""
        return find_route(self._world, self.player().position)

    def cameras(self) -> dict[str, Camera]:
        """The camera at the eyes, then the fixed ones."""
        pose = self.player()
        up = np.array([0.0, 0, 1])
        ego = Camera.look_at(
            pose.eyes, pose.eyes + pose.look, up, EGO_FOVY_DEGREES, self._size, self._size
        )
        return {EGO: ego, **self._fixed}

    def render(self) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        """Pictures of the current state."""
        return self._drawing().render(player_boxes(self.player()), self.struck(), self.cameras())

    def render_view(self, view: str) -> UInt8[np.ndarray, "height width 3"]:
        """Draws one view alone."""
        boxes, camera = player_boxes(self.player()), self.cameras()[view]
        return self._drawing().render_view(boxes, self.struck(), view, camera)

    def actor_masks(self) -> dict[str, Bool[np.ndarray, "height width"]]:
        """The pixels that show the player."""
        return self._drawing().masks(player_boxes(self.player()), self.struck(), self.cameras())

    def _drawing(self) -> BlocksScene:
        if not self._loaded:
            self._scene.load(self._world)
            self._loaded = True
        return self._scene

    def visible(
        self, keypoints: Float[np.ndarray, "keypoints 3"]
    ) -> dict[str, Bool[np.ndarray, " keypoints"]]:
        """Whether each view sees each keypoint: hidden neither by the body nor by blocks."""
        return visible_on_body(
            self.cameras(),
            keypoints,
            player_boxes(self.player()),
            self._drawn,
            lambda origins, points: blocks_hit(origins, points, self._solid, ORIGIN),
        )

    def state(self) -> Float[np.ndarray, " state"]:
        """The body's state."""
        return self._body.to_array()

    def set_state(self, state: Float[np.ndarray, " state"]) -> None:
        """Restores a state of the current episode."""
        self._body = Body.from_array(state)

    def describe(self) -> dict[str, Any]:
        """The renderer's version."""
        return {"panda3d": version("panda3d")}

    def renderer(self) -> str:
        """Name of Panda3D's renderer, which runs on the CPU."""
        return "Panda3D's software renderer"

    def close(self) -> None:
        """Frees the renderer."""
        self._scene.close()
