"""Minecraft with the real game, under a name that `sims.make` and `sims.generate` accept.

Example:
    python -m sims.generate --env sims.minecraft.minerl.env:MinerlEnv --views 8 --workers 1
"""

from __future__ import annotations

from sims.minecraft.env import MinecraftEnv


class MinerlEnv(MinecraftEnv):
    """`MinecraftEnv` with the back end `minerl`."""

    def __init__(self, views: int = 8, size: int = 224) -> None:
        """Checks that the game is installed; see `sims.minecraft.minerl.backend.MinerlBackend`.

        Args:
            views: Number of third-person views, each a further instance of the game.
            size: Height and width of the images in pixels.

        Raises:
            SimulatorError: When the game cannot be used; the message says what is missing.
        """
        super().__init__(views, size, backend="minerl")
