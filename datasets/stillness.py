"""Views that show one picture all the time, as those of a camera that stopped do."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8

from datasets.episodes import EpisodeDataset
from datasets.errors import counted, shortened
from datasets.progress import ProgressBar

# A view is still where 99.9 % of the values of its frames stay within these grey levels.
# Encoded stills reached 12, with a camera's noise 25; two frames of a moving arm 150.
_STILL, _MOVING_SHARE = 32, 99.9
# Frames of an episode that are compared, spread over it.
_LOOKED_AT = 4
# Episodes that a line names at most.
_NAMED = 5


def is_still(frames: UInt8[np.ndarray, "time height width 3"]) -> bool:
    """Whether frames, of which there are several, differ by noise alone."""
    change = frames.max(axis=0) - frames.min(axis=0)
    return len(frames) > 1 and bool(np.percentile(change, _MOVING_SHARE) < _STILL)


def find_still(dataset: EpisodeDataset, lengths: Mapping[int, int]) -> list[str]:
    """A line for each view that shows one picture all the time in some episodes.

    Args:
        dataset: The data set.
        lengths: Position of an episode that can be read to its time steps.
    """
    still: dict[str, list[str]] = {view: [] for view in dataset.views}
    for i, length in ProgressBar(lengths.items(), unit="episode", disable=None, leave=False):
        times = np.unique(np.linspace(0, length - 1, _LOOKED_AT).astype(int))
        for view, names in still.items():
            if is_still(dataset.images(i, view, times)):
                names.append(dataset.paths[i].name)
    return [
        f"{view} shows one picture all the time in {len(names)} of "
        f"{counted(len(lengths), 'episode')}: {shortened(names, _NAMED)}. Where its camera had "
        "stopped, train on the other views: --views"
        for view, names in still.items()
        if names
    ]
