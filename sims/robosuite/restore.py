"""Replays of recorded demonstrations: every state is restored and rendered from every view.

Phases are judged by each state alone, see `phase_now` of `lift.py`, `can.py` and `recorded.py`, and
then smoothed by a median over five time steps, since contacts flicker.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import scipy  # loads scipy.ndimage at its first use, which help texts do not need
from jaxtyping import UInt8

from datasets.episodes import EpisodeWriter
from datasets.errors import DataError, FormatError, MismatchError
from datasets.storage.episode_file import EGO, Episode
from datasets.storage.meta import DatasetMeta
from sims.given_cameras import GivenCameras, moving_rig
from sims.robosuite.arrays import COPY_AGAIN
from sims.robosuite.demos import Demonstration
from sims.robosuite.states import rotation_lengths, state_size
from sims.robosuite.worlds import World, opened, process_world
from sims.rollout import Recording, done_at_end

MEDIAN_STEPS = 5
# Recordings in single precision are about 1e-7 off, and integrators that normalise late about 1e-3.
UNIT_TOLERANCE = 0.02


@dataclass(frozen=True)
class Replay:
    """A job that makes a data set from recorded demonstrations and keeps their numbers.

    Attributes:
        root: Folder of the data set.
        meta: Facts that all of its episodes have in common.
        demos: robomimic's HDF5 file.
        own_views: Number of third-person views of the world's own.
        cameras: More third-person cameras.
    """

    root: Path
    meta: DatasetMeta
    demos: Path
    own_views: int
    cameras: GivenCameras | None = None

    def make(self, index: int) -> None:
        """Renders and writes one demonstration.

        Raises:
            DataError: When the model cannot be loaded, or the states do not fit it.
        """
        file = opened(self.demos)
        env = process_world(self.demos, self.own_views, self.meta.image_size, self.cameras)
        on_paths = moving_rig(self.cameras)
        demo, name = file.read(index), f"{self.demos}: {file.names[index]}"
        episode = restore_episode(env, demo, name, on_paths, self.meta.control_hz)
        EpisodeWriter(self.root, self.meta).write(index, episode)

    def done(self) -> set[int]:
        """The episodes that are on disk."""
        return EpisodeWriter(self.root, self.meta).done()

    def stranger(self, index: int, file: h5py.File) -> str | None:
        """The reason why a complete file is not this episode; None when it is."""
        states = opened(self.demos).states(index)
        same = "states" in file and np.array_equal(file["states"][:], states)
        return None if same else f"its states are not those in {self.demos}"


def require_restorable(env: World, demo: Demonstration, name: str) -> None:
    """Loads the model of a demonstration into an environment of its task.

    Args:
        env: The environment; its own episode ends.
        demo: The recording.
        name: Name of the demonstration, for messages.

    Raises:
        DataError: When the model cannot be loaded, or the states do not fit it.
    """
    try:
        env.load_episode(demo.model_file)
    except DataError as error:
        raise type(error)(f"{name}: {error}") from error
    size = state_size(env.model)
    if demo.states.shape[1] != size:
        raise MismatchError(
            f"{name}: its states have {demo.states.shape[1]} numbers, its model asks for "
            f"{size} (time, positions, velocities): they are of different models."
        )
    for body, lengths in rotation_lengths(env.model, demo.states).items():
        if wrong := np.flatnonzero(np.abs(lengths - 1) > UNIT_TOLERANCE).tolist():
            raise FormatError(
                f"{name}: in state {wrong[0]}, the quaternion of {body} has the length "
                f"{lengths[wrong[0]]:.3g} where a rotation has 1. {COPY_AGAIN}"
            )


def restore_episode(
    env: World,
    demo: Demonstration,
    name: str,
    on_paths: GivenCameras | None = None,
    hz: float | None = None,
) -> Episode:
    """Restores every state of a demonstration and records all views of it.

    Rewards and observations are the recording's own where it has them. Otherwise a step's reward
    is that of the next state; the last step, whose outcome was not recorded, has that of its own
    state. See `solved` of the world for whether an episode is a success.

    Args:
        env: An environment of the demonstration's task; its own episode ends.
        demo: The recording.
        name: Name of the demonstration, for messages.
        on_paths: Third-person cameras that move on given paths; others stand still.
        hz: Time steps per second; by default those of the environment.

    Raises:
        DataError: When the model cannot be loaded, the states do not fit it, or the demonstration
            goes on after the end of a path.
    """
    require_restorable(env, demo, name)
    others = {view: camera for view, camera in env.cameras().items() if view != EGO}
    recording = Recording(env)
    phases, rewards = [], []
    for t, state in enumerate(demo.states):
        env.set_state(state)
        if on_paths is not None:
            env.move_cameras({**others, **on_paths.at(t / (hz or env.control_hz))})
        recorded = {key: value[t] for key, value in demo.observations.items()}
        recording.look(recorded or env.observe())
        phases.append(env.phase_now())
        rewards.append(env.reward())
    rewards = [*rewards[1:], rewards[-1]]
    return recording.episode(
        steady(np.array(phases, np.uint8)).tolist(),
        actions=demo.actions,
        rewards=np.array(rewards) if demo.rewards is None else demo.rewards,
        dones=done_at_end(len(demo.actions)) if demo.dones is None else demo.dones,
        success=env.solved(demo.rewards),
    )


def steady(phases: UInt8[np.ndarray, " time"]) -> UInt8[np.ndarray, " time"]:
    """Removes phases of one or two steps by a running median."""
    return scipy.ndimage.median_filter(phases, MEDIAN_STEPS, mode="nearest")
