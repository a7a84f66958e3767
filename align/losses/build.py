"""The loss that a configuration names, as one function of embeddings and times.

Every loss takes the embeddings z (episodes, views, times, dim) of synchronized views and the time
step of each column, times (episodes, times), or (episodes, views, times) where the views are videos
of different executions, which the losses of `UNPAIRED_LOSSES` take. Frames of one episode at most
`window` time steps apart count as near, all others as far. Frames of different episodes are never
compared, since nothing says which of their moments correspond.
"""

from __future__ import annotations

from typing import Protocol

from jaxtyping import Float
from torch import Tensor
from typing_extensions import assert_never

from align.losses.config import LossConfig
from align.losses.cycle_consistency import tcc
from align.losses.dynamic_time_warping import lav, time_reversed
from align.losses.global_consistency import dtw_consistency
from align.losses.optimal_transport import vava
from align.losses.pairs import Embeddings, Times, ViewTimes
from align.losses.time_contrastive import (
    contrastive,
    margin_triplet,
    n_pairs,
    published_triplet,
    single_view_triplet,
)
from datasets.errors import OptionError


class Loss(Protocol):
    """A loss of embeddings and times; `step` is the training's, from 0."""

    def __call__(self, z: Embeddings, times: Times | ViewTimes, step: int = 0) -> Float[Tensor, ""]:
        """The value."""
        ...


def build_loss(config: LossConfig) -> Loss:
    """The loss that a configuration names, as a function of embeddings and times.

    Raises:
        OptionError: When the window is not a positive number of time steps.
    """
    if config.window < 1:
        raise OptionError(f"a loss needs a window of 1 time step or more, not {config.window}")
    match config.name:
        case "contrastive":
            return lambda z, times, step=0: contrastive(
                z, times, config.window, config.temperature, config.sigma
            )
        case "n_pairs":
            return lambda z, times, step=0: n_pairs(
                z, times, config.window, config.temperature, config.l2
            )
        case "margin_triplet":
            return lambda z, times, step=0: margin_triplet(z, times, config.window, config.margin)
        case "single_view_triplet":
            return lambda z, times, step=0: single_view_triplet(
                z, times, config.window, config.margin
            )
        case "published_triplet":
            return lambda z, times, step=0: published_triplet(
                z, times, config.window, config.published_margin
            )
        case "tcc":
            return lambda z, times, step=0: tcc(z, times, config.tcc)
        case "soft_dtw":
            return lambda z, times, step=0: lav(z, times, config.window, config.soft_dtw)
        case "time_reversed":
            return lambda z, times, step=0: time_reversed(z, times, config.time_reversed)
        case "dtw_consistency":
            return lambda z, times, step=0: dtw_consistency(z, times)
        case "vava":
            return lambda z, times, step=0: vava(z, times, step)
        case _:
            assert_never(config.name)
