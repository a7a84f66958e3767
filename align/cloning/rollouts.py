"""Rollouts of a cloned policy, with its camera where it was, moved, or drawn each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from align.cloning.config import Cameras
from align.cloning.observers import Observer
from align.cloning.policy import Policy
from datasets.errors import MismatchError
from datasets.progress import ProgressBar
from datasets.storage.episode_file import EGO
from datasets.storage.meta import DatasetMeta

# A stream of its own, so that no rollout starts as an episode of a data set does.
_ROLLOUTS, _MOVED = 3, 4


@dataclass(frozen=True)
class Rollouts:
    """Result of some rollouts.

    Attributes:
        cameras: Where the policy's camera stood.
        successes: Whether each rollout solved its task.
    """

    cameras: Cameras
    successes: tuple[bool, ...]

    @property
    def success(self) -> float:
        """Share of rollouts that solved their task."""
        return float(np.mean(self.successes))


@contextmanager
def environment(meta: DatasetMeta) -> Iterator[Any]:
    """The environment that a data set was generated in, with the same cameras.

    Raises:
        MismatchError: When the data set comes from no environment of `sims`, or was filmed by
            cameras that move.
    """
    if meta.moving_cameras:
        raise MismatchError(
            "the third-person cameras of the data set move, and those that a policy is tried with "
            "stand still. Use a data set that was made without --moving-cameras."
        )
    name = f"sims:posealign/{meta.env.capitalize()}-v0"
    views = [view for view in meta.views if view != EGO]
    try:
        made = gymnasium.make(
            name, views=len(views), size=meta.image_size, disable_env_checker=True
        )
    except gymnasium.error.Error as error:
        raise MismatchError(
            f"no environment of `sims` is called {meta.env!r} ({error}), so a policy cannot be "
            "tried in it. Use a data set that `sims.generate` made."
        ) from error
    env: Any = made.unwrapped
    try:
        yield env
    finally:
        env.close()


def roll_out(
    env: Any,
    policy: Policy,
    observer: Observer,
    view: str,
    cameras: Cameras,
    number: int,
    seed: int,
) -> Rollouts:
    """Runs a policy in episodes that no data set holds.

    Args:
        env: A `sims.MultiViewEnv`.
        policy: Observation to action.
        observer: Makes the observations.
        view: The camera that the policy sees through. Drawn cameras take all third-person views in
            turn, each of which is drawn from its own part of the circle.
        cameras: Where it stands.
        number: Number of rollouts.
        seed: Seed of the rollouts' starts and of their cameras.
    """
    third = [name for name in env.views if name != EGO]
    results = []
    for k in ProgressBar(range(number), desc=f"{cameras} camera", unit="rollout"):
        start = int(np.random.SeedSequence([_ROLLOUTS, seed, k]).generate_state(1)[0])
        _begin(env, cameras, start, seed)
        seen = third[k % len(third)] if cameras == "drawn" else view
        results.append(_solves(env, policy, observer, seen))
    env.place_cameras(None)
    return Rollouts(cameras, tuple(results))


def _begin(env: Any, cameras: Cameras, start: int, seed: int) -> None:
    env.reset(seed=start, options={"random_cameras": cameras == "drawn"})
    if cameras == "moved":
        env.place_cameras(np.random.default_rng([_MOVED, seed]))


def _solves(env: Any, policy: Policy, observer: Observer, view: str) -> bool:
    state, frames = env.observe(), []
    for _ in range(env.horizon):
        if observer.looks:
            frames.append(env.render_view(view))
        action = policy(observer.of_moment(state, frames))
        low, high = env.action_space.low, env.action_space.high
        state, _, _, truncated, info = env.step(np.clip(action, low, high))
        if info["success"] or truncated:
            return bool(info["success"])
    return False
