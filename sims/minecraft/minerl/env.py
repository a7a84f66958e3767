"""Minecraft with the game itself, under a name that `sims.make` and `sims.generate` take.

Example:
    python -m sims.generate --env sims.minecraft.minerl.env:MinerlEnv --views 8 --workers 1
"""

from __future__ import annotations

from sims.minecraft.env import MinecraftEnv


class MinerlEnv(MinecraftEnv):
    """`MinecraftEnv` with the back end `minerl`."""

    def __init__(self, views: int = 8, size: int = 224) -> None:
        """Looks for the game; see `sims.minecraft.minerl.backend.MinerlBackend`.

        Args:
            views: Number of third-person views, each an instance of the game besides the player's.
            size: Height and width of the images in pixels.

        Raises:
            SimulatorError: When the game is not usable; the message says what is missing.
        """
        super().__init__(views, size, backend="minerl")
