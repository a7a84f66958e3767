"""How far a task has come at each frame, by references; the one place that the page asks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from align.progress.methods import Nearest
from align.progress.options import ReadingConfig


def nearest_progress(
    frames: Float[Tensor, "time dim"], references: Sequence[Float[Tensor, "time2 dim"]]
) -> Float[np.ndarray, " time"]:
    """The offline `nearest` of `align.progress`, with its usual number of references.

    Raises:
        ValueError: When there is no reference of two frames or more.
    """
    usable = [reference for reference in references if len(reference) > 1]
    if not usable:
        raise ValueError("progress needs a reference of two frames or more")
    return Nearest(usable, ReadingConfig().nearest).whole(frames)
