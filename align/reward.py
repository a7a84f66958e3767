"""Rewards from video for agents in Gymnasium's environments.

    env = AlignmentReward(sims.make("lift", views=1), "runs/paat", view="view_0", gamma=0.99)

A potential says from 0 to 1 how far a task has come. The reward is the environment's own plus
gamma * potential after - potential before the step (Ng et al. 1999). With the agent's own discount
as gamma, the sum over an episode depends on its ends alone, so that the best policy for the
environment's reward stays the best. With gamma = 1 and `own` = 0, the agent seeks progress itself:
it then maximises the discounted sum of the potential.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, SupportsFloat

import gymnasium
import numpy as np

from align.embedder import FrameEmbedder
from align.progress.demonstrations import Demonstrations
from align.progress.options import Method, ReadingConfig
from align.progress.references import References
from align.progress.tracker import Image, ProgressTracker, pose_of
from align.stored.suitable import require_no_cameras
from datasets.bounds import NonNegativeFloat, Share, require_values_in_bounds
from datasets.cameras import Camera
from datasets.errors import OptionError, counted, require_known
from datasets.storage.episode_file import EGO

_FIRST = ReadingConfig()

log = logging.getLogger(__name__)


class Potential(Protocol):
    """How far the task has come in the current state of an environment."""

    def begin(self) -> float:
        """Begins an episode; returns the potential of its first state."""
        ...

    def follow(self) -> float:
        """The potential after a step, 0 to 1; called once for each."""
        ...


class World(Protocol):
    """An environment of `sims`, as a potential needs it."""

    @property
    def views(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def size(self) -> int: ...  # noqa: D102

    def render_view(self, view: str) -> Image:
        """Renders the current state from one view."""
        ...

    def keypoints(self) -> np.ndarray:
        """World coordinates of the keypoints, (keypoints, 3)."""
        ...

    def cameras(self) -> Mapping[str, Camera]:
        """The camera of each view."""
        ...

    def visible(self) -> Mapping[str, np.ndarray]:
        """Which keypoints each view sees."""
        ...

    def progress(self) -> float:
        """How far the task has come, by the simulator's state."""
        ...


class AlignmentPotential:
    """Progress by the embedding of what one camera sees.

    With `References.shuffled` references it is a control that knows the frames but not their order.
    """

    def __init__(self, world: World, tracker: ProgressTracker, view: str) -> None:
        """Keeps its arguments.

        Args:
            world: The environment without wrappers.
            tracker: Reads progress off references; each environment needs one of its own.
            view: The camera.

        Raises:
            UnknownNameError: When the environment has no such view.
        """
        require_known("view of the environment", view, world.views)
        self._world, self._tracker, self._view = world, tracker, view

    def begin(self) -> float:
        """Begins an episode; returns the potential of its first state."""
        self._tracker.begin()
        return self.follow()

    def follow(self) -> float:
        """The potential after a step."""
        world, embedder = self._world, self._tracker.embedder
        image = world.render_view(self._view)
        if not embedder.config.needs_keypoints:
            return self._tracker.see(image)
        points, _ = world.cameras()[self._view].project(world.keypoints())
        visible = world.visible()[self._view]
        return self._tracker.see(image, pose_of(embedder, points, visible, world.size))


class OraclePotential:
    """Progress by the simulator's own state, as an upper bound."""

    def __init__(self, world: World) -> None:
        """Keeps the environment without wrappers."""
        self._world = world

    def begin(self) -> float:
        """Begins an episode; returns the potential of its first state."""
        return self.follow()

    def follow(self) -> float:
        """The potential after a step."""
        return self._world.progress()


def change_of_potential(before: Any, after: Any, ended: Any, gamma: float) -> Any:
    """The reward of a step by a potential; numbers or arrays.

    An episode's end has a potential of 0: the rewards' sum depends on an episode's ends alone only
    where all ends have one potential. An episode that is cut off has not ended.
    """
    return gamma * np.where(ended, 0.0, after) - before


class PotentialReward(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Adds the change of a potential to an environment's reward.

    `info["progress"]` holds the potential after each step and each reset.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        potential: Potential,
        gamma: float = 0.99,
        scale: float = 1.0,
        own: float = 1.0,
    ) -> None:
        """Wraps an environment.

        Args:
            env: The environment.
            potential: Judges its states.
            gamma: Discount of the potential after a step, 0 to 1; the agent's own keeps the best
                policy.
            scale: Weight of the potential's change.
            own: Weight of the environment's own reward.

        Raises:
            OptionError: When the discount is not from 0 to 1, or a weight negative or not finite.
        """
        require_values_in_bounds(
            {"gamma": gamma, "scale": scale, "own": own},
            {"gamma": Share, "scale": NonNegativeFloat, "own": NonNegativeFloat},
            prefix="",
        )
        super().__init__(env)
        self.potential, self.gamma, self.scale, self.own = potential, gamma, scale, own
        self._before = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begins an episode of the environment and of the potential."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._before = self.potential.begin()
        return observation, {**info, "progress": self._before}

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Steps the environment, and rewards progress."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        now = self.potential.follow()
        change = change_of_potential(self._before, now, terminated, self.gamma)
        self._before = now
        total = self.own * float(reward) + self.scale * float(change)
        return observation, total, terminated, truncated, {**info, "progress": now}


def warn_of_cameras(embedder: FrameEmbedder, views: Sequence[str], view: str) -> None:
    """Warns where a camera has the name of one that the run knows, and stands elsewhere.

    How many third-person cameras a world has decides where each stands.

    Args:
        embedder: The run's encoder.
        views: The views of the environment.
        view: The camera that looks on.
    """
    learned, here = (len(set(names) - {EGO}) for names in (embedder.plan.meta.views, views))
    if learned != here and view != EGO and not embedder.plan.meta.random_cameras:
        log.warning(
            "%s stands elsewhere than in the data of the run, which have %s: make the environment "
            "with views=%d.",
            view,
            counted(learned, "third-person view"),
            learned,
        )


def _world_of(env: Any) -> Any:
    """The environment without wrappers, which must render views as those of `sims` do."""
    world = getattr(env, "unwrapped", None)
    if not all(hasattr(world, part) for part in ("views", "size", "render_view")):
        raise OptionError(
            f"{type(env).__name__} renders no views: wrap one environment of sims.make or "
            "gymnasium.make('posealign/Lift-v0'), before any vectorised one is made of it."
        )
    return world


class AlignmentReward(PotentialReward):
    """Rewards progress that a trained run sees from one camera."""

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        run: Path | str | FrameEmbedder,
        view: str = "view_0",
        references: References | str | Path | Sequence[str | Path] = (),
        method: Method = "nearest",
        how: ReadingConfig = _FIRST,
        gamma: float = 0.99,
        scale: float = 1.0,
        own: float = 1.0,
    ) -> None:
        """Loads the run and its references.

        Args:
            env: An environment of `sims.make`, or of `gymnasium.make("posealign/Lift-v0")`.
            run: A run's folder, or an encoder that several environments share.
            view: The camera that the reward sees.
            references: Names of episodes of the run's training data and paths of videos, one or
                several, or what was embedded before; the first training episodes by default.
            method: How progress is read off them.
            how: Options of the method.
            gamma: Discount of the potential after a step, 0 to 1.
            scale: Weight of the potential's change.
            own: Weight of the environment's own reward.

        Raises:
            DataError: When the run or a reference cannot be used; a run with --rays cannot.
            OptionError: When the run cannot be causal, or names no data to take references from;
                when the environment is none of `sims`, or a number is out of range.
            UnknownNameError: When the environment has no such view.
        """
        world: Any = _world_of(env)
        embedder = run if isinstance(run, FrameEmbedder) else FrameEmbedder.load(run)
        who = "the run" if isinstance(run, FrameEmbedder) else run
        require_no_cameras(who, embedder.config, "which a reward is not given")
        if not isinstance(references, References):
            if isinstance(run, FrameEmbedder):
                raise TypeError("an encoder does not know its data: pass embedded `References`.")
            one = isinstance(references, str | Path)
            named = [references] if one else references
            chosen = Demonstrations([str(name) for name in named])  # type: ignore[union-attr]
            references = chosen.embed(Path(run), embedder, how.centre, progress=False)
        tracker = ProgressTracker(embedder, references, method, how)
        warn_of_cameras(embedder, world.views, view)
        super().__init__(env, AlignmentPotential(world, tracker, view), gamma, scale, own)
