"""Shows a recorded demonstration again: every state restored, and seen from every view.

Phases are told by each state alone, see `phase_now` of `sims.lift` and `sims.can`, then by the
median over five time steps, for contacts flicker.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from scipy.ndimage import median_filter

from datasets.episode import Episode
from datasets.errors import DataError
from sims.demos import Demonstration
from sims.robosuite_env import RobosuiteEnv
from sims.rollout import Recording, done_at_end

MEDIAN_STEPS = 5


def require_restorable(env: RobosuiteEnv, demo: Demonstration, name: str) -> None:
    """Loads the model of a demonstration into an environment of its task.

    Args:
        env: Its own episode ends.
        demo: The recording.
        name: For messages.

    Raises:
        DataError: When the model cannot be loaded, or the states are not of this model.
    """
    try:
        env.load_episode(demo.model_file)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    if demo.states.shape[1] != env.state_size:
        raise DataError(
            f"{name}: its states have {demo.states.shape[1]} numbers, its model asks for "
            f"{env.state_size} (time, positions, velocities): they are of different models."
        )


def restore_episode(env: RobosuiteEnv, demo: Demonstration, name: str) -> Episode:
    """Restores every state of a demonstration and records what all views show.

    Rewards and observations are the recording's own where it has them. Otherwise a step's reward
    is that of the state which follows; the last step, whose outcome was not recorded, has that of
    its own state. An episode is a success when its last state is solved, or its last reward says
    so: people stop at the action that solves the task.

    Args:
        env: Of the demonstration's task; its own episode ends.
        demo: The recording.
        name: For messages.

    Raises:
        DataError: When the model cannot be loaded, or the states are not of this model.
    """
    require_restorable(env, demo, name)
    recording = Recording(env)
    phases, rewards = [], []
    for t, state in enumerate(demo.states):
        env.set_state(state)
        told = {key: value[t] for key, value in demo.observations.items()}
        recording.look(told or env.observe())
        phases.append(env.phase_now())
        rewards.append(env.reward())
    rewards = [*rewards[1:], rewards[-1]]
    solved = env.success() or (demo.rewards is not None and demo.rewards[-1] >= 1)
    return recording.episode(
        steady(np.array(phases, np.uint8)).tolist(),
        actions=demo.actions,
        rewards=np.array(rewards) if demo.rewards is None else demo.rewards,
        dones=done_at_end(len(demo.actions)) if demo.dones is None else demo.dones,
        success=bool(solved),
    )


def steady(phases: UInt8[np.ndarray, " time"]) -> UInt8[np.ndarray, " time"]:
    """Phases without those of one or two steps, by a running median."""
    return median_filter(phases, MEDIAN_STEPS, mode="nearest")
