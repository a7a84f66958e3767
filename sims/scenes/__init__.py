"""Worlds made of a scene file, whatever simulator loads it: points, cameras, experts, hooks."""
