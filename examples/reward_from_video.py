"""Reward an agent for progress that one camera shows, judged by videos of demonstrations.

    python examples/reward_from_video.py runs/lift_deit --env lift
    python examples/reward_from_video.py runs/lift_deit --env lift --reference first.mp4 second.mp4

The scripted expert plays an episode, then random actions play another. For each step the progress
and the reward are printed; the expert should end near 1, the random actions should not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tyro

# torch comes before any simulator: loaded after their libraries, it has crashed the process.
from align.reward import AlignmentReward

import sims  # isort: skip
from datasets.command import command, parse

Actions = Callable[[Any], Iterator[np.ndarray]]


def expert(env: Any) -> Iterator[np.ndarray]:
    """The actions of the world's scripted expert."""
    return (step.action for step in env.unwrapped.expert(np.random.default_rng(0)))


def at_random(env: Any) -> Iterator[np.ndarray]:
    """Random actions."""
    rng, space = np.random.default_rng(0), env.action_space
    while True:
        yield rng.uniform(space.low, space.high)


def play(env: AlignmentReward, actions: Actions, steps: int) -> Iterator[tuple[float, float]]:
    """Progress and reward after each step of an episode."""
    env.reset(seed=0)
    for _, action in zip(range(steps), actions(env), strict=False):
        _, reward, terminated, truncated, info = env.step(action)
        yield info["progress"], float(reward)
        if terminated or truncated:
            return


def main(
    run: tyro.conf.Positional[Path],
    env: str = "lift",
    view: str = "view_0",
    reference: tuple[str, ...] = (),
    steps: int = 120,
    every: int = 10,
) -> None:
    """Play two episodes and print their rewards.

    Args:
        run: A folder made by `python -m align.train`, whose embeddings need no later frames.
        env: A world: lift, can, pick or minecraft, or `package.module:Class`.
        view: The camera that the reward sees.
        reference: Videos of demonstrations, and names of training episodes; the run's first
            training episodes by default.
        steps: Most steps of an episode.
        every: Print every so many steps.
    """
    world = sims.make(env)
    rewarded = AlignmentReward(world, run, view, reference)
    for name, actions in (("expert", expert), ("random actions", at_random)):
        played = list(play(rewarded, actions, steps))
        for time in range(0, len(played), every):
            progress, reward = played[time]
            print(f"{name} {time:>4}: progress {progress:.2f}, reward {reward:+.3f}")
        print(f"{name} end: progress {played[-1][0]:.2f}")


if __name__ == "__main__":
    with command():
        parse(main, "python examples/reward_from_video.py")
