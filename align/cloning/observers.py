"""Observations of a cloned policy: the simulator's states, an image, or a run's embedding of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Float, UInt8

from align.embedder import FrameEmbedder
from align.models.encoder import FRAMES_ALONE
from align.progress.causality import looks_ahead
from align.stored.suitable import require_frames_alone
from datasets.episodes import EpisodeDataset
from datasets.errors import DamagedDataError, MismatchError

# The arm's own state, which every real robot measures; robomimic's choice for Lift and Can.
PROPRIOCEPTION = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos")
OBJECT = "object"

Observation = Mapping[str, np.ndarray]
Frames = Sequence[UInt8[np.ndarray, "height width 3"]]


class Observer(Protocol):
    """Makes observations, of recorded episodes and of running ones.

    Attributes:
        low_dim: Names of the observed vectors, in the order of the policy's input.
        rgb: Names of the observed images.
        looks: Whether a running policy needs its camera.
    """

    low_dim: tuple[str, ...]
    rgb: tuple[str, ...]
    looks: bool

    def of_episode(self, data: EpisodeDataset, i: int, view: str) -> dict[str, np.ndarray]:
        """Observations of all time steps of a recorded episode, from one view."""

    def of_moment(self, state: Observation, frames: Frames) -> dict[str, np.ndarray]:
        """The observation now.

        Args:
            state: What the environment's `step` observes.
            frames: All frames so far of the policy's camera, the newest last.
        """


class StateObserver:
    """The arm's state and the object's: the upper bound, which no camera gives."""

    low_dim: tuple[str, ...] = (*PROPRIOCEPTION, OBJECT)
    rgb: tuple[str, ...] = ()
    looks = False

    def of_episode(self, data: EpisodeDataset, i: int, view: str) -> dict[str, np.ndarray]:
        """See `Observer`."""
        return _states(data, i, self.low_dim)

    def of_moment(self, state: Observation, frames: Frames) -> dict[str, np.ndarray]:
        """See `Observer`."""
        return {name: state[name] for name in self.low_dim}


class PixelObserver:
    """The arm's state and an image, which the policy's own encoder learns to read."""

    low_dim: tuple[str, ...] = PROPRIOCEPTION
    rgb: tuple[str, ...] = ("image",)
    looks = True

    def of_episode(self, data: EpisodeDataset, i: int, view: str) -> dict[str, np.ndarray]:
        """See `Observer`."""
        images = data.images(i, view, np.arange(data.lengths[i]))
        return {**_states(data, i, self.low_dim), "image": images}

    def of_moment(self, state: Observation, frames: Frames) -> dict[str, np.ndarray]:
        """See `Observer`."""
        return {**{name: state[name] for name in self.low_dim}, "image": frames[-1]}


class EmbeddingObserver:
    """The arm's state and a trained run's embedding of the image, which stays as it is.

    The embedding is the one before a video's mean is subtracted, as a running episode has no mean
    yet.
    """

    low_dim: tuple[str, ...] = (*PROPRIOCEPTION, "embedding")
    rgb: tuple[str, ...] = ()
    looks = True

    def __init__(self, run: Path | str) -> None:
        """Loads a run.

        Raises:
            DataError: When it is no run.
            MismatchError: When its embeddings need keypoints or frames that lie ahead.
        """
        self.embedder = FrameEmbedder.load(run)
        require_frames_alone(run, self.embedder.config, "which a running policy does not have")
        if looks_ahead(self.embedder):
            raise MismatchError(
                f"{run} looks at frames that lie ahead: train with --time.causal, without "
                "--backbone.keep-patches and --pose-source motion."
            )

    def of_episode(self, data: EpisodeDataset, i: int, view: str) -> dict[str, np.ndarray]:
        """See `Observer`."""
        embedding = self.embedder.encode_view(data, i, view).numpy()
        return {**_states(data, i, PROPRIOCEPTION), "embedding": embedding}

    def of_moment(self, state: Observation, frames: Frames) -> dict[str, np.ndarray]:
        """See `Observer`."""
        proprioception = {name: state[name] for name in PROPRIOCEPTION}
        return {**proprioception, "embedding": self._now(frames)}

    def _now(self, frames: Frames) -> Float[np.ndarray, " dim"]:
        now = np.array([len(frames) - 1])

        def read(times: np.ndarray) -> UInt8[np.ndarray, "time height width 3"]:
            return np.stack([frames[time] for time in times])

        return self.embedder.encode_at(read, now, len(frames), FRAMES_ALONE)[0].numpy()


def make_observer(kind: str) -> Observer:
    """The observer of a name: `states`, `pixels`, or a run (also `zoo:NAME`)."""
    match kind:
        case "states":
            return StateObserver()
        case "pixels":
            return PixelObserver()
        case _:
            return EmbeddingObserver(kind)


def _states(data: EpisodeDataset, i: int, names: Sequence[str]) -> dict[str, np.ndarray]:
    return {
        name: require_demonstrated(data.observation(i, name), data, i, f"obs/{name}")
        for name in names
    }


def require_demonstrated(values: np.ndarray, data: EpisodeDataset, i: int, name: str) -> np.ndarray:
    """Values of an episode that a policy can learn from.

    Raises:
        DamagedDataError: When they are not one for each time step, or no finite numbers.
    """
    steps = data.lengths[i]
    if values.dtype.kind not in "fiub" or len(values) != steps or not np.isfinite(values).all():
        raise DamagedDataError(
            f"{data.paths[i]}: {name} must be finite numbers for each of its {steps} time steps. "
            "Make the episode again, or leave it out."
        )
    return values
