"""The options of the losses, and the loss that they name.

Every loss takes the embeddings z (episodes, views, times, dim) of synchronized views and the time
step of each column, times (episodes, times). Frames of one episode at most `window` time steps
apart count as near, all others as far; frames of different episodes are never compared, since
nothing says which of their moments correspond.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from jaxtyping import Float
from torch import Tensor
from typing_extensions import assert_never

from align.losses.contrastive import (
    contrastive,
    margin_triplet,
    n_pairs,
    published_triplet,
    single_view_triplet,
)
from align.losses.pairs import Embeddings, Times
from align.losses.sequence import (
    SoftDtwConfig,
    TccConfig,
    TimeReversedConfig,
    lav,
    tcc,
    time_reversed,
)

LossName = Literal[
    "contrastive",
    "n_pairs",
    "margin_triplet",
    "single_view_triplet",
    "published_triplet",
    "tcc",
    "soft_dtw",
    "time_reversed",
]


@dataclass(frozen=True)
class LossConfig:
    """Which loss, and its constants; each constant concerns the losses named in its line."""

    name: LossName = "contrastive"
    """contrastive: soft multi-positive; n_pairs, margin_triplet and single_view_triplet: TCN's;
    published_triplet: the recipe of 3DTRL; tcc: cycle-back regression; soft_dtw: LAV's;
    time_reversed: AE2's."""
    window: int = 0
    """Time steps around an anchor within which frames are not negatives; twice as many for
    single_view_triplet. 0 takes the published one of the data set's environment: 3 for pick and
    minecraft, 2 for the others."""
    temperature: float = 0.1
    """contrastive, n_pairs: divides the similarities; 1 in TCN's n-pairs, see `TcnConfig.loss`."""
    sigma: float = 1.0
    """contrastive: width in time steps of the Gaussian that spreads the positives; 0 takes only
    the same time in the other views."""
    margin: float = 0.2
    """margin_triplet, single_view_triplet."""
    published_margin: float = 30.0
    """published_triplet."""
    l2: float = 0.0005
    """n_pairs: weight of the embeddings' squared norm; does nothing to unit vectors, which those of
    TCN's n-pairs are not, see `TcnConfig.loss`."""
    tcc: TccConfig = field(default_factory=TccConfig)
    soft_dtw: SoftDtwConfig = field(default_factory=SoftDtwConfig)
    time_reversed: TimeReversedConfig = field(default_factory=TimeReversedConfig)

    @property
    def negatives_from(self) -> int:
        """Frames more than so many time steps apart are negatives; an episode must have some."""
        return 2 * self.window if self.name == "single_view_triplet" else self.window


def build_loss(config: LossConfig) -> Callable[[Embeddings, Times], Float[Tensor, ""]]:
    """The loss that a configuration names, as a function of embeddings and times.

    Raises:
        ValueError: When the window is not a positive number of time steps.
    """
    if config.window < 1:
        raise ValueError(f"a loss needs a window of 1 time step or more, not {config.window}")
    match config.name:
        case "contrastive":
            return lambda z, times: contrastive(
                z, times, config.window, config.temperature, config.sigma
            )
        case "n_pairs":
            return lambda z, times: n_pairs(z, times, config.window, config.temperature, config.l2)
        case "margin_triplet":
            return lambda z, times: margin_triplet(z, times, config.window, config.margin)
        case "single_view_triplet":
            return lambda z, times: single_view_triplet(z, times, config.window, config.margin)
        case "published_triplet":
            return lambda z, times: published_triplet(
                z, times, config.window, config.published_margin
            )
        case "tcc":
            return lambda z, times: tcc(z, times, config.tcc)
        case "soft_dtw":
            return lambda z, times: lav(z, times, config.window, config.soft_dtw)
        case "time_reversed":
            return lambda z, times: time_reversed(z, times, config.time_reversed)
        case _:
            assert_never(config.name)
