"""Reinforcement learning on rewards from third-person videos."""
