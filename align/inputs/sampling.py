"""Options of a training batch, and how its moments and views are drawn.

Nothing heavy is imported here, so that `--help` does not wait for torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from datasets.bounds import Moments, NaturalInt, PositiveInt, Share, ShareBelowOne
from datasets.errors import OptionError


@dataclass(frozen=True)
class AugmentConfig:
    """Ranges of the light augmentation; off by default, worth turning on for long trainings."""

    crop: ShareBelowOne = 0.0
    """Largest share of height and width that a random crop cuts away."""
    brightness: Share = 0.0
    """Largest relative change."""
    contrast: Share = 0.0
    """Largest relative change."""
    saturation: Share = 0.0
    """Largest relative change."""


@dataclass(frozen=True)
class BatchConfig:
    """The frames of one training step; each of them is encoded once."""

    episodes: PositiveInt = 2
    """Episodes a step."""
    views: NaturalInt = 0
    """Views of each episode, drawn again at every step; 0 takes all."""
    times: Moments = 12
    """Moments of each episode, the same in all of its views; fewer where an episode is shorter."""
    spread: bool = False
    """Draw the moments from equal parts of the episode, so that every step shows all of it."""
    triplets: bool = False
    """Draw moments as anchor, positive, negative, … (published); else without repeats."""
    flip: Share = 0.0
    """Probability that a view of an episode is mirrored; left and right keypoints swap names."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)


@dataclass(frozen=True)
class TimeConfig:
    """The frames of a video that are encoded together for each moment."""

    frames: PositiveInt = 1
    """Frames for each moment; 1 sees the moment's own alone."""
    step: PositiveInt = 4
    """Time steps between them."""
    causal: bool = False
    """Take frames up to the moment alone, as a reward must; else as many before as after it."""

    def __post_init__(self) -> None:
        """Refuse an even number of frames around a moment."""
        if not self.causal and self.frames % 2 == 0:
            raise OptionError(
                f"--time.frames {self.frames} has no frame in the middle: take an odd number, or "
                "--time.causal"
            )

    @property
    def own(self) -> int:
        """Place of the moment's own frame among its frames."""
        return self.frames - 1 if self.causal else self.frames // 2

    def around(self, times: np.ndarray, length: int) -> np.ndarray:
        """Time steps that are seen for each moment; the first or last frame where none is left.

        Args:
            times: (time,) moments.
            length: Time steps of the video.

        Returns:
            (time, frames) time steps.
        """
        offsets = self.step * (np.arange(self.frames) - self.own)
        return np.clip(times[:, None] + offsets, 0, length - 1)


def sample_times(
    length: int, count: int, window: int, config: BatchConfig, rng: np.random.Generator
) -> np.ndarray:
    """Draws time steps of an episode.

    Args:
        length: Time steps of the episode, at least 2 * window + 2.
        count: Number of moments to draw, at most `length`; a multiple of 3 for triplets.
        window: Time-contrastive window, in time steps.
        config: Whether as anchor, positive, negative, …, or in order: spread or at random.
        rng: Source of the randomness.

    Returns:
        (count,) int64.
    """
    if config.spread:
        bounds = np.linspace(0, length, count + 1).round().astype(np.int64)
        return rng.integers(bounds[:-1], bounds[1:])
    if not config.triplets:
        return np.sort(rng.choice(length, count, replace=False))
    steps = np.arange(length)
    drawn = []
    for anchor in rng.integers(0, length, count // 3):
        gap = np.abs(steps - anchor)
        positive = rng.choice(steps[(gap > 0) & (gap <= window)])
        negative = rng.choice(steps[gap > window])
        drawn += [anchor, positive, negative]
    return np.array(drawn, dtype=np.int64)


def views_a_step(config: BatchConfig, views: Sequence[str], root: Path) -> int:
    """Number of training views that each step draws: `--batch.views`, or all.

    Raises:
        OptionError: When more are asked for than there are, or fewer than two.
    """
    count = config.views or len(views)
    if not 2 <= count <= len(views):
        raise OptionError(
            f"--batch.views is {count}, but {root} has {len(views)} views to train on "
            "and a step needs at least 2 of them."
        )
    return count
