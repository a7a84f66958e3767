"""A task in a Minecraft-style world: walk to a goal block on open ground and strike it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Bool, Float, UInt8

from datasets.cameras import Camera
from datasets.errors import require_known
from datasets.skeletons import PLAYER
from sims.arguments import finite_action, picture_size, require_render_mode, view_names
from sims.env import MultiViewEnv, Step
from sims.failures import failing_steps
from sims.minecraft.backend import ACTION_NAMES, BACKENDS, CONTROL_HZ, Backend
from sims.minecraft.expert import PHASES, STRIKE, TURN, WALK, minecraft_expert
from sims.minecraft.player import PlayerPose, player_keypoints

# Distance from the goal, in metres, at which `progress` has risen to about a quarter of the way.
NEAR_GOAL = 6.0
ROBOMIMIC_GYM_TYPE = 2  # robomimic.envs.env_base.EnvType.GYM_TYPE


class MinecraftEnv(MultiViewEnv):
    """Walk to the goal block and strike it, as in MineRL's ReachGoal.

    An action has entries in [-1, 1], relative to the maximum of a time step: forward, to the left,
    turn (left positive), tilt (up positive), and the stroke of the arm (begins above 0). The task
    is solved once a stroke hit the goal block, within reach and in the middle of the player's view.

    Attributes:
        horizon: Time steps after which an episode is truncated.
    """

    name = "minecraft"
    skeleton = PLAYER
    phases = PHASES
    control_hz = CONTROL_HZ
    horizon = 240
    cameras_can_move = True

    def __init__(
        self,
        views: int = 8,
        size: int = 224,
        backend: str = "blocks",
        render_mode: str | None = None,
    ) -> None:
        """Loads the back end; the first episode begins at `reset`.

        Args:
            views: Number of third-person views.
            size: Height and width of the images in pixels.
            backend: `blocks` draws the project's own world anywhere; `minerl` is the real game.
            render_mode: `rgb_array` or None, which mean the same; Gymnasium gives it.

        Raises:
            UnknownNameError: When the back end is unknown.
            SimulatorError: When the back end's simulator is missing.
        """
        require_render_mode(render_mode)
        self.views, self.size = view_names(views), picture_size(size)
        require_known("back end", backend, BACKENDS)
        self.backend_name = backend
        module, attribute = BACKENDS[backend].split(":")
        self._backend: Backend = getattr(import_module(module), attribute)(self.views, size)
        self._steps = 0
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (len(ACTION_NAMES),), np.float64)
        self.observation_space = gymnasium.spaces.Dict(  # type: ignore[assignment]
            {
                name: gymnasium.spaces.Box(-np.inf, np.inf, (count,), np.float64)
                for name, count in (("player_pos", 3), ("player_look", 2), ("goal_pos", 3))
            }
        )

    def place_cameras(self, rng: np.random.Generator | None) -> None:
        """Draws the third-person cameras; None selects the fixed ones.

        Raises:
            SimulatorError: With the real game, whose spectators stay where they joined.
        """
        self._backend.place_cameras(rng)

    def set_cameras(self, cameras: Mapping[str, Camera]) -> None:
        """Moves the third-person cameras from now on.

        Raises:
            SimulatorError: With the real game, whose spectators stay where they joined.
        """
        self._backend.set_cameras(cameras)

    def begin(self, seed: int) -> None:
        """Makes the world of a seed, with the player at its start."""
        self._backend.begin(seed)
        self._steps = 0

    def step(
        self, action: Float[np.ndarray, " action"]
    ) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Advances by a time step; solving the task does not end the episode."""
        self._backend.act(np.clip(finite_action(action, self.action_space), -1, 1))
        self._steps += 1
        success = self.success()
        truncated = self._steps >= self.horizon
        return self.observe(), float(success), False, truncated, {"success": success}

    def observe(self) -> dict[str, np.ndarray]:
        """Position in metres, yaw and pitch in radians, and the goal relative to the player."""
        pose = self.player()
        return {
            "player_pos": np.array(pose.position, np.float64),
            "player_look": np.array([pose.yaw, pose.pitch], np.float64),
            "goal_pos": np.array(self.goal() - pose.position, np.float64),
        }

    def policy_state(self) -> Float[np.ndarray, 5]:
        """The goal as the player sees it.

        Returns:
            Cosine and sine of its bearing (left positive), its elevation above the look and the
            look's own in radians, and its distance from the eyes in metres / `NEAR_GOAL`.
        """
        pose = self.player()
        offset = self.goal() - pose.eyes
        bearing = np.arctan2(offset[1], offset[0]) - pose.yaw
        elevation = np.arctan2(offset[2], np.linalg.norm(offset[:2]))
        distance = np.linalg.norm(offset) / NEAR_GOAL
        parts = [np.cos(bearing), np.sin(bearing), elevation - pose.pitch, pose.pitch, distance]
        return np.array(parts, np.float64)

    def player(self) -> PlayerPose:
        """The current pose of the player's body."""
        return self._backend.player()

    def goal(self) -> Float[np.ndarray, 3]:
        """The middle of the goal block, in metres."""
        return self._backend.goal()

    def route(self) -> Float[np.ndarray, "points 2"]:
        """Waypoints of a free path from the player to the goal, in metres."""
        return self._backend.route()

    def render_views(self) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        """Renders the current state from every view, upright RGB."""
        return self._backend.render()

    def render_view(self, view: str) -> UInt8[np.ndarray, "height width 3"]:
        """Renders the current state from one view; the project's own world skips the others."""
        return self._backend.render_view(view)

    def keypoints(self) -> Float[np.ndarray, "keypoints 3"]:
        """World coordinates of the player's keypoints in metres, at the time of the pictures."""
        return player_keypoints(self._backend.shown_player())

    def cameras(self) -> dict[str, Camera]:
        """The current camera at the player's eyes, and the fixed ones around."""
        return self._backend.cameras()

    def visible(self) -> dict[str, Bool[np.ndarray, " keypoints"]]:
        """Whether each keypoint is inside each view's image and not hidden."""
        return self._backend.visible(self.keypoints())

    def actor_masks(self) -> dict[str, Bool[np.ndarray, "height width"]]:
        """The pixels of each view that show the player."""
        return self._backend.actor_masks()

    def success(self) -> bool:
        """Whether a stroke has hit the goal block."""
        return self._backend.struck()

    def progress(self) -> float:
        """Share of the way to the goal block, which counts 0.8; 1 once a stroke has hit it."""
        if self.success():
            return 1.0
        distance = float(np.linalg.norm((self.goal() - self.player().position)[:2]))
        return 0.8 * float(1 - np.tanh(distance / NEAR_GOAL))

    def state(self) -> Float[np.ndarray, " state"]:
        """The number of time steps, then the back end's state."""
        return np.concatenate([[self._steps], self._backend.state()])

    def set_state(self, state: Float[np.ndarray, " state"]) -> None:
        """Restores a state of the current episode.

        Raises:
            SimulatorError: When the back end cannot go back.
        """
        self._backend.set_state(np.asarray(state[1:], np.float64))
        self._steps = int(state[0])

    def model_file(self) -> None:
        """None: the seed makes the world."""
        return None

    def env_args(self) -> dict[str, Any]:
        """Arguments from which robomimic makes this environment."""
        return {
            "env_name": self.name,
            "type": ROBOMIMIC_GYM_TYPE,
            "env_version": None,
            "env_kwargs": {"backend": self.backend_name},
            **self._backend.describe(),
        }

    def renderer(self) -> str:
        """Name of the renderer."""
        return self._backend.renderer()

    def expert(self, rng: np.random.Generator) -> Iterator[Step]:
        """Turns, walks and strikes; see `sims.minecraft.expert`."""
        return minecraft_expert(self, rng)

    def failing_expert(
        self, rng: np.random.Generator, failure: np.random.Generator
    ) -> Iterator[Step]:
        """Lets go, goes to the wrong place, or stops half-way; see `sims.failures`."""
        return failing_steps(
            self,
            lambda world: minecraft_expert(world, rng),
            failure,
            stops=(TURN, WALK),
            slips=(STRIKE,),
            places=("goal", "route"),
            distance=(2.0, 3.0),
        )

    def close(self) -> None:
        """Frees the back end's resources."""
        self._backend.close()
