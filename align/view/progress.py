"""How far a task has come at each frame, by references; the one place that the page asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from align.metrics.alignment import distances

# Progress from 0 to 1 of each frame of a video, given the embeddings of reference videos.
Progress = Callable[
    [Float[Tensor, "time dim"], Sequence[Float[Tensor, "time2 dim"]]], Float[np.ndarray, " time"]
]


def nearest_progress(
    frames: Float[Tensor, "time dim"], references: Sequence[Float[Tensor, "time2 dim"]]
) -> Float[np.ndarray, " time"]:
    """The median over references of the nearest frame's place in its video, from 0 to 1.

    Raises:
        ValueError: When there is no reference.
    """
    if not references:
        raise ValueError("progress needs a reference")
    places = [
        distances(frames, reference).argmin(dim=1).numpy() / max(1, len(reference) - 1)
        for reference in references
    ]
    return np.median(places, axis=0)
