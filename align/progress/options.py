"""Options of progress. Nothing heavy is imported here, so that `--help` does not wait for torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from datasets.bounds import PositiveInt

Method = Literal["nearest", "dtw", "goal"]
METHODS: tuple[Method, ...] = ("nearest", "dtw", "goal")
Form = Literal["offline", "causal"]
Centre = Literal["references", "start"]

# Training episodes whose views are the references where none are named.
REFERENCE_EPISODES = 10


@dataclass(frozen=True)
class ReadingConfig:
    """How progress is read off references."""

    # On validation episodes of Lift, 1 to 10 give value-order correlations of 0.95 to 0.97 offline
    # and of 0.90 to 0.93 causally; 3 is the best of the causal ones.
    nearest: PositiveInt = 3
    """References whose moments are averaged; for the methods nearest and dtw."""
    centre: Centre = "references"
    """The mean that the causal form subtracts where the network centres over a video: the
    references' mean, or start: the video's first frame, moved by what lies between the references'
    first frames and means. start suits cameras from which no reference was filmed."""
