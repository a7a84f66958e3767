"""The weight of late pose's keypoints, chosen on validation episodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
from jaxtyping import Float
from torch import Tensor

from align.metrics.alignment import alignment_error
from align.models.encoder import LateEncoder

# Steps of about a factor of 1.4 around 1, and without keypoints.
WEIGHTS = (0.0, 0.25, 0.35, 0.5, 0.71, 1.0, 1.41, 2.0, 2.83, 4.0)


def choose_weight(
    encoder: LateEncoder, episodes: Iterable[Mapping[str, Float[Tensor, "time dim"]]]
) -> None:
    """Gives an encoder the weight of WEIGHTS with the least alignment error.

    Args:
        encoder: Its `weight` is set. A distilled trunk, which is used alone, keeps its own.
        episodes: View to its embeddings before `compare`, for each validation episode.
    """
    if encoder.late == "distilled":
        return
    episodes = list(episodes)

    def error(weight: float) -> float:
        encoder.weight.fill_(weight)
        return float(np.mean([_error(encoder, views) for views in episodes]))

    encoder.weight.fill_(min(WEIGHTS, key=error))


def _error(encoder: LateEncoder, views: Mapping[str, Float[Tensor, "time dim"]]) -> float:
    compared = [encoder.compare(embedding) for embedding in views.values()]
    return float(np.mean([alignment_error(one, other) for one, other in combinations(compared, 2)]))
