"""What `MinecraftEnv` asks of a world to walk in, whoever simulates and draws it.

A back end is a class made with `(views, size)`, the names of the views (`ego` first) and the edge
of the square images in pixels; `BACKENDS` names it. Making it loads what it needs, or raises a
SimulatorError that says what to install. All positions and angles are in the world of
`sims.minecraft.player`: metres, z up, radians.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
from jaxtyping import Bool, Float, UInt8

from datasets.cameras import Camera
from sims.minecraft.player import PlayerPose

BACKENDS = {
    "blocks": "sims.minecraft.blocks.backend:BlocksBackend",
    "minerl": "sims.minecraft.minerl.backend:MinerlBackend",
}

# The game's clock.
CONTROL_HZ = 20.0
# Entries of an action, each in [-1, 1]: shares of the most that one time step allows, but for the
# stroke, which begins where its entry is above 0.
FORWARD, LEFT, TURN, TILT, STRIKE = range(5)
ACTION_NAMES = ("forward", "left", "turn", "tilt", "strike")
# What 1 means: the game's walk, 4.317 m/s; turns to the left and upwards.
MAX_STEP = 4.317 / CONTROL_HZ
MAX_TURN = np.radians(18.0)
MAX_TILT = np.radians(9.0)
# How far from the eyes a block can be struck, in metres.
REACH = 3.0
# Half the edge of a block.
HALF_BLOCK = 0.5


class Backend(Protocol):
    """A world with one player and one goal block, seen by all cameras at once.

    Attributes:
        can_restore: Whether `set_state` works; a live game cannot go back.
    """

    can_restore: ClassVar[bool]

    def place_cameras(self, rng: np.random.Generator | None) -> None:
        """Draws the third-person cameras of the episodes to come; None: the usual ones.

        Raises:
            SimulatorError: Where they cannot be moved.
        """
        ...

    def begin(self, seed: int) -> None:
        """Begins an episode: the seed alone makes world, start and goal."""
        ...

    def act(self, action: Float[np.ndarray, 5]) -> None:
        """Lets a time step of 1 / CONTROL_HZ seconds pass under an action of `ACTION_NAMES`."""
        ...

    def player(self) -> PlayerPose:
        """The player's body as it stands."""
        ...

    def shown_player(self) -> PlayerPose:
        """The player's body as the third-person pictures show it.

        Where they come over a network, it stands as it did a little earlier.
        """
        ...

    def goal(self) -> Float[np.ndarray, 3]:
        """The middle of the goal block, in metres."""
        ...

    def struck(self) -> bool:
        """Whether a stroke has met the goal since the episode began, by the rule of `aims_at`."""
        ...

    def route(self) -> Float[np.ndarray, "points 2"]:
        """Points to pass, in metres, on a free way from the player to beside the goal.

        On open ground it is the goal alone: a walker stops when it is near enough.
        """
        ...

    def cameras(self) -> dict[str, Camera]:
        """The camera of every view; all but `ego` stay where they are during an episode."""
        ...

    def render(self) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        """Upright RGB pictures of the present state, of every view."""
        ...

    def visible(
        self, keypoints: Float[np.ndarray, "keypoints 3"]
    ) -> dict[str, Bool[np.ndarray, " keypoints"]]:
        """Which of the player's keypoints each view sees."""
        ...

    def actor_masks(self) -> dict[str, Bool[np.ndarray, "height width"]]:
        """The pixels of each view that show the player."""
        ...

    def state(self) -> Float[np.ndarray, " state"]:
        """What changes within an episode."""
        ...

    def set_state(self, state: Float[np.ndarray, " state"]) -> None:
        """Restores a state of the present episode.

        Raises:
            SimulatorError: Where `can_restore` is false.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Names and versions that go with the data, ready for JSON."""
        ...

    def renderer(self) -> str:
        """What draws the pictures, for `sims.doctor`."""
        ...

    def close(self) -> None:
        """Frees what the back end holds."""
        ...


def aims_at(pose: PlayerPose, goal: Float[np.ndarray, 3], reach: float = REACH) -> bool:
    """Whether the look meets a block within reach: what makes a stroke count.

    Args:
        pose: The player.
        goal: The middle of the block, in metres.
        reach: From the eyes, in metres.
    """
    offset, look = np.asarray(goal, float) - pose.eyes, pose.look
    # Where the ray enters and leaves the slabs between the block's opposite sides.
    with np.errstate(divide="ignore", invalid="ignore"):
        first = (offset - HALF_BLOCK * np.sign(look)) / look
        last = (offset + HALF_BLOCK * np.sign(look)) / look
    parallel = np.abs(look) < 1e-12
    first[parallel] = np.where(np.abs(offset[parallel]) <= HALF_BLOCK, -np.inf, np.inf)
    last[parallel] = np.inf
    enter, leave = first.max(), last.min()
    return bool(enter <= leave and leave >= 0 and enter <= reach)
