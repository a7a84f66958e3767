"""The interface of `MinecraftEnv`'s back ends, which simulate and draw the world.

A back end is a class made with `(views, size)`: the names of the views, `ego` first, and the edge
of the square images in pixels. `BACKENDS` lists them. Making one loads its libraries, or raises a
SimulatorError that says what to install. All positions and angles are in the world of
`sims.minecraft.player`: metres, z up, radians.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Float, UInt8

from datasets.cameras import Camera
from sims.minecraft.player import PlayerPose

BACKENDS = {
    "blocks": "sims.minecraft.blocks.backend:BlocksBackend",
    "minerl": "sims.minecraft.minerl.backend:MinerlBackend",
}

# The game's time steps a second.
CONTROL_HZ = 20.0
# Entries of an action, each in [-1, 1] and relative to the maximum of one time step, except the
# stroke, which begins where its entry is above 0.
FORWARD, LEFT, TURN, TILT, STRIKE = range(5)
ACTION_NAMES = ("forward", "left", "turn", "tilt", "strike")
# The meaning of 1 in a time step: the game's walk of 4.317 m/s, a turn to the left, a tilt upwards.
MAX_STEP = 4.317 / CONTROL_HZ
MAX_TURN = np.radians(18.0)
MAX_TILT = np.radians(9.0)
# Largest distance from the eyes at which a block can be struck, in metres.
REACH = 3.0
# Half the edge of a block.
HALF_BLOCK = 0.5


class Backend(Protocol):
    """A world with one player and one goal block, drawn from all cameras at once."""

    def place_cameras(self, rng: np.random.Generator | None) -> None:
        """Draws the third-person cameras of the next episodes; None selects the fixed ones.

        Raises:
            SimulatorError: When the back end cannot move its cameras.
        """
        ...

    def set_cameras(self, cameras: Mapping[str, Camera]) -> None:
        """Moves the third-person cameras from now on; errors as of `place_cameras`."""
        ...

    def begin(self, seed: int) -> None:
        """Begins an episode whose world, start and goal follow from the seed alone."""
        ...

    def act(self, action: Float[np.ndarray, 5]) -> None:
        """Advances by a time step of 1 / CONTROL_HZ seconds under an action of `ACTION_NAMES`."""
        ...

    def player(self) -> PlayerPose:
        """The current pose of the player's body."""
        ...

    def shown_player(self) -> PlayerPose:
        """The pose of the player's body in the third-person pictures.

        In pictures that arrive over a network, it is a little older than the current one.
        """
        ...

    def goal(self) -> Float[np.ndarray, 3]:
        """The middle of the goal block, in metres."""
        ...

    def struck(self) -> bool:
        """Whether a stroke of this episode has hit the goal, by the rule of `aims_at`."""
        ...

    def route(self) -> Float[np.ndarray, "points 2"]:
        """Waypoints of a free path from the player to the goal, in metres.

        On open ground it is the goal alone: a walker stops when it is near enough.
        """
        ...

    def cameras(self) -> dict[str, Camera]:
        """The camera of every view; all except `ego` are fixed during an episode."""
        ...

    def render(self) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        """Upright RGB pictures of the current state from every view."""
        ...

    def render_view(self, view: str) -> UInt8[np.ndarray, "height width 3"]:
        """The picture of one view alone.

        Raises:
            KeyError: When there is no such view.
        """
        ...

    def visible(
        self, keypoints: Float[np.ndarray, "keypoints 3"]
    ) -> dict[str, Bool[np.ndarray, " keypoints"]]:
        """Whether each view sees each of the player's keypoints."""
        ...

    def actor_masks(self) -> dict[str, Bool[np.ndarray, "height width"]]:
        """The pixels of each view that show the player."""
        ...

    def state(self) -> Float[np.ndarray, " state"]:
        """The part of the world that changes within an episode."""
        ...

    def set_state(self, state: Float[np.ndarray, " state"]) -> None:
        """Restores a state of the current episode.

        Raises:
            SimulatorError: When the back end cannot go back, as with a live game.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Names and versions to store with the data, as values for JSON."""
        ...

    def renderer(self) -> str:
        """Name of the renderer, for `sims.doctor`."""
        ...

    def close(self) -> None:
        """Frees the back end's resources."""
        ...


def aims_at(pose: PlayerPose, goal: Float[np.ndarray, 3], reach: float = REACH) -> bool:
    """Whether the player looks at a block within reach, so that a stroke hits it.

    Args:
        pose: Pose of the player.
        goal: The middle of the block, in metres.
        reach: Largest distance from the eyes, in metres.
    """
    offset, look = np.asarray(goal, float) - pose.eyes, pose.look
    # Distances at which the ray enters and leaves the slabs between the block's opposite sides.
    with np.errstate(divide="ignore", invalid="ignore"):
        first = (offset - HALF_BLOCK * np.sign(look)) / look
        last = (offset + HALF_BLOCK * np.sign(look)) / look
    # A ray parallel to a slab is inside it always or never.
    parallel = np.abs(look) < 1e-12
    first[parallel] = np.where(np.abs(offset[parallel]) <= HALF_BLOCK, -np.inf, np.inf)
    last[parallel] = np.inf
    enter, leave = first.max(), last.min()
    return bool(enter <= leave and leave >= 0 and enter <= reach)
