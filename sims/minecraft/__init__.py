"""A Minecraft-style world: one task, with a renderer of blocks or the real game as back end."""
