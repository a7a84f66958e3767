"""A reward for any Gymnasium agent: how far an aligned embedding says that the task has come.

    env = gymnasium.make("sims:posealign/Lift-v0", views=2).unwrapped
    env = AlignmentReward(env, "runs/paat", view="view_1")

The reward is potential-based (Ng, Harada and Russell 1999): to the environment's own reward it adds
gamma * p(after) - p(before), where p is the progress among reference demonstrations. This keeps
the optimal policies of the environment's own reward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import gymnasium
import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from align.embedder import FrameEmbedder
from align.models.encoder import FRAMES_ALONE
from align.progress.causality import require_causal
from align.progress.demonstrations import Demonstrations
from align.progress.methods import reading
from align.progress.options import Method, ReadingConfig
from align.progress.references import References
from align.zoo.store import resolve
from datasets.errors import MismatchError, require_known

Observation = Mapping[str, np.ndarray]


class Potential(Protocol):
    """Progress of an episode that is running, from 0 to 1."""

    def begin(self, env: Any, observation: Observation) -> float:
        """Begins an episode; the progress of its first state."""

    def now(self, env: Any, observation: Observation) -> float:
        """The progress of the current state, which is asked once for each time step."""


class AlignmentPotential:
    """Progress by the embedding of one camera's frames, judged by frames so far alone."""

    def __init__(
        self,
        embedder: FrameEmbedder,
        references: References,
        view: str,
        method: Method = "nearest",
        config: ReadingConfig | None = None,
    ) -> None:
        """Measures the references.

        Args:
            embedder: The encoder of a run that needs frames alone.
            references: Demonstrations that it has embedded.
            view: The camera that looks on.
            method: How progress is read off the references, see `align.progress.methods`.
            config: Options of the method.
        """
        self._embedder, self._references, self._view = embedder, references, view
        self._reading = reading(method, references.causal, config or ReadingConfig())

    def begin(self, env: Any, observation: Observation) -> float:
        """See `Potential`."""
        self._frames: list[UInt8[np.ndarray, "height width 3"]] = []
        self._follow = self._reading.begin()
        self._first: Tensor | None = None
        return self.now(env, observation)

    def now(self, env: Any, observation: Observation) -> float:
        """See `Potential`."""
        self._frames.append(env.render_view(self._view))
        last = len(self._frames) - 1
        raw = self._embedder.encode_at(self._read, np.array([last]), last + 1, FRAMES_ALONE)
        first = self._first = raw[0] if self._first is None else self._first
        return self._follow(self._references.place(raw, first))

    def _read(self, times: np.ndarray) -> UInt8[np.ndarray, "time height width 3"]:
        return np.stack([self._frames[time] for time in times])


class PotentialReward(gymnasium.Wrapper):
    """Adds the change of a potential to an environment's reward.

    `info["progress"]` is the potential. In a state that ends the episode it counts as 0, without
    which the optimum could change; an episode that is cut off keeps its potential.
    """

    def __init__(
        self, env: gymnasium.Env, potential: Potential, gamma: float = 0.99, scale: float = 1.0
    ) -> None:
        """Wraps an environment.

        Args:
            env: The environment.
            potential: The progress of its states.
            gamma: The agent's discount.
            scale: Weight of the potential.
        """
        super().__init__(env)
        self._potential, self._gamma, self._scale = potential, gamma, scale

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Begins an episode."""
        observation, info = self.env.reset(**options)
        self._before = self._potential.begin(self.env.unwrapped, observation)
        return observation, {**info, "progress": self._before}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Advances by a time step."""
        observation, reward, ended, cut_off, info = self.env.step(action)
        progress = self._potential.now(self.env.unwrapped, observation)
        after = 0.0 if ended else progress
        shaped = float(reward) + self._scale * (self._gamma * after - self._before)
        self._before = progress
        return observation, shaped, ended, cut_off, {**info, "progress": progress}


class AlignmentReward(PotentialReward):
    """Rewards progress among third-person demonstrations, seen through one camera."""

    def __init__(
        self,
        env: gymnasium.Env,
        run: Path | str,
        view: str,
        references: Demonstrations | Sequence[str] = (),
        *,
        method: Method = "nearest",
        config: ReadingConfig | None = None,
        gamma: float = 0.99,
        scale: float = 1.0,
    ) -> None:
        """Loads a run and embeds the references.

        Args:
            env: An environment of `sims`, or a wrapper around one.
            run: A folder made by `align.train`; with videos as references also a checkpoint or
                `zoo:NAME`.
            view: Name of the camera that looks on.
            references: Demonstrations, or names of episodes and videos; the first training
                episodes of the run by default.
            method: How progress is read off the references.
            config: Options of the method.
            gamma: The agent's discount.
            scale: Weight of the progress.

        Raises:
            DataError: When the run or a reference cannot be used.
            OptionError: When the run looks at frames that lie ahead.
            MismatchError: When the run needs keypoints beside the frames.
            UnknownNameError: When the environment has no such view.
        """
        require_known("view", view, env.unwrapped.views)  # type: ignore[attr-defined]
        potential = alignment_potential(run, view, references, method=method, config=config)
        super().__init__(env, potential, gamma, scale)


def alignment_potential(
    run: Path | str,
    view: str,
    references: Demonstrations | Sequence[str] = (),
    *,
    method: Method = "nearest",
    config: ReadingConfig | None = None,
) -> AlignmentPotential:
    """The potential of `AlignmentReward`; arguments and errors are those of its `__init__`."""
    path, config = resolve(run), config or ReadingConfig()
    embedder = FrameEmbedder.load(path)
    if embedder.config.needs_keypoints:
        raise MismatchError(
            f"{run} needs keypoints of every frame, which an agent's camera has not: use a run "
            "that needs none, such as --pose late-predicted."
        )
    require_causal(str(run), embedder)
    if not isinstance(references, Demonstrations):
        references = Demonstrations(references)
    placed = references.embed(path, embedder, config.centre, progress=False)
    return AlignmentPotential(embedder, placed, view, method, config)
