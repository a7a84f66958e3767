"""An agent of Stable-Baselines3 that learns from one reward, tried on held-out episodes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch

from align.engine.csv_files import read_csv, write_csv
from align.engine.device import import_compiler
from align.imitation.config import OF_VIDEO, ImitateConfig, Reward
from align.imitation.environments import make_environment
from align.imitation.results import COLUMNS, Curve, Point
from align.reward import warn_of_cameras
from datasets.errors import DamagedDataError, MissingDataError
from datasets.progress import ProgressBar
from datasets.storage.atomic import atomic_path

INSTALL = "pip install 'posealign[imitate]'"
# Held-out episodes start from seeds of a stream of their own.
_HELD_OUT = 5
# Time steps between updates of PPO, the default of Stable-Baselines3 for one environment.
ROLLOUT = 2048
POLICY_NAME, CURVE_NAME = "policy.safetensors", "curve.csv"


def learn(config: ImitateConfig, reward: Reward, seed: int, folder: Path) -> Curve:
    """Trains an agent and stores its learning curve and its policy.

    Args:
        config: All options.
        reward: The reward that it learns from.
        seed: Seed of the agent and of its episodes.
        folder: Folder for `curve.csv` and `policy.safetensors`.

    Returns:
        Success on held-out episodes over time steps.

    Raises:
        MissingDataError: When Stable-Baselines3 is not installed.
        DataError: When the run or its references cannot be used.
        OptionError: When options do not fit each other.
    """
    agent_class = _algorithm(config)
    environments = _side_by_side(config, reward, seed)
    try:
        agent = agent_class(
            "MlpPolicy",
            environments,
            learning_rate=config.lr,
            gamma=config.gamma,
            seed=seed,
            device="cpu",  # a policy of two small layers
            **_pace(config),
        )
        held_out = make_environment(config, "sparse")
        points = _learning(agent, held_out, config, f"{reward}, seed {seed}")
        held_out.close()
    finally:
        environments.close()
    _save(agent, points, folder)
    return Curve(reward, seed, tuple(points))


def require_usable(config: ImitateConfig, rewards: Sequence[Reward]) -> None:
    """Checks what agents of these rewards need, before the first one is trained for long.

    Raises:
        MissingDataError: When Stable-Baselines3 is not installed.
        DataError: When the run or its references cannot be used.
        OptionError: When the run looks ahead.
        UnknownNameError: When the environment has no such view.
    """
    if not rewards:
        return
    _algorithm(config)
    of_video = [reward for reward in rewards if reward in OF_VIDEO]
    if of_video:
        from align.imitation.video_rewards import open_run

        embedder, _ = open_run(config, of_video[0])
        here = [f"view_{number}" for number in range(config.views)]
        warn_of_cameras(embedder, here, config.view)
    import_compiler()
    make_environment(config, (of_video or rewards)[0]).close()


def load_curve(reward: Reward, seed: int, folder: Path) -> Curve | None:
    """The curve that `learn` stored; None where there is none.

    Raises:
        DamagedDataError: When its file cannot be read.
    """
    path = folder / CURVE_NAME
    if not path.exists():
        return None
    try:
        points = [Point(int(row["steps"]), float(row["success"])) for row in read_csv(path)]
    except (ValueError, KeyError, csv.Error) as error:
        raise _damaged(path, str(error)) from None
    if not points:
        raise _damaged(path, "it has no rows")
    return Curve(reward, seed, tuple(points))


def _damaged(path: Path, reason: str) -> DamagedDataError:
    return DamagedDataError(f"{path} cannot be read ({reason}). Delete it, and train again.")


def _algorithm(config: ImitateConfig) -> Callable[..., Any]:
    try:
        from stable_baselines3 import PPO, SAC
    except ImportError as error:
        raise MissingDataError(
            f"Stable-Baselines3 does not import ({error}). Run: {INSTALL}"
        ) from error
    return {"sac": SAC, "ppo": PPO}[config.algorithm]


def _pace(config: ImitateConfig) -> dict[str, int]:
    """How often an agent learns, independent of the number of environments."""
    if config.algorithm == "sac":
        return {"gradient_steps": -1}  # one for each time step of each environment
    return {"n_steps": max(2, ROLLOUT // config.envs)}


def _side_by_side(config: ImitateConfig, reward: Reward, seed: int) -> Any:
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecMonitor

    makers: list[Callable[[], gymnasium.Env]] = [
        partial(_seeded, config, reward, seed, i) for i in range(config.envs)
    ]
    made = SubprocVecEnv(makers, start_method="spawn") if config.processes else DummyVecEnv(makers)
    if reward not in OF_VIDEO:
        return VecMonitor(made)
    from align.imitation.video_rewards import VideoRewards, make_trackers

    return VecMonitor(VideoRewards(made, make_trackers(config, reward), config.gamma, config.scale))


def _seeded(config: ImitateConfig, reward: Reward, seed: int, index: int) -> gymnasium.Env:
    import_compiler()
    torch.set_num_threads(1)  # one core an environment
    env = make_environment(config, reward)
    env.reset(seed=int(np.random.SeedSequence([seed, index]).generate_state(1)[0]))
    return env


def _learning(
    agent: Any, held_out: gymnasium.Env, config: ImitateConfig, title: str
) -> list[Point]:
    points = [Point(0, _success(agent, held_out, config.episodes))]
    with ProgressBar(total=config.steps, desc=title, unit="step") as bar:
        while points[-1].steps < config.steps:
            before = points[-1].steps
            more = min(config.evaluate_every, config.steps - before)
            agent.learn(more, reset_num_timesteps=False)
            # An agent learns from whole rollouts, which may be more than was asked for.
            steps = int(agent.num_timesteps)
            points.append(Point(steps, _success(agent, held_out, config.episodes)))
            bar.update(steps - before)
            bar.set_postfix(success=f"{points[-1].success:.2f}")
    return points


def _success(agent: Any, env: gymnasium.Env, episodes: int) -> float:
    """The share of held-out episodes that the agent solves without exploring."""
    return float(np.mean([_solves(agent, env, k) for k in range(episodes)]))


def _solves(agent: Any, env: gymnasium.Env, k: int) -> bool:
    start = int(np.random.SeedSequence([_HELD_OUT, k]).generate_state(1)[0])
    observation, _ = env.reset(seed=start)
    while True:
        action, _ = agent.predict(observation, deterministic=True)
        observation, _, solved, cut_off, _ = env.step(action)
        if solved or cut_off:
            return solved


def _save(agent: Any, points: list[Point], folder: Path) -> None:
    from safetensors.torch import save_model

    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / POLICY_NAME) as temporary:
        save_model(agent.policy, str(temporary))
    write_csv(folder / CURVE_NAME, COLUMNS, [[p.steps, p.success] for p in points])
