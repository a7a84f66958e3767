"""The constant offset between the clocks of two cameras, from the frames that match each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64
from scipy.stats import theilslopes

from align.metrics.decoding import REACH
from datasets.errors import counted

# How far a pair may be from the offset and still agree with it, as a share of the shorter video.
# On 300 pairs of views of 15 validation episodes of Lift, from which up to a third was cut, the
# mean error was 0.37 frames with 5 %, 0.42 with 3 % and 0.38 with 8 %.
TOLERANCE = 0.05
# In frames, so that a short video's tolerance is not below what frames can tell.
_LEAST_TOLERANCE = 1.5
# At least this share of the pairs must agree. On those videos 87 % or more did in nine of ten
# cases, and with one video at double speed 33 % or fewer.
AGREEING = 0.6
# Clocks that differ by a constant run at one speed, up to this. On 92 pairs of views of five test
# episodes with such cuts, the speed over all pairs was 0.63 to 1.11, but for one at -0.2. Where a
# video was reversed, and pairs agreed by chance, it was -0.35 to 0.07 and 0.57 with one network.
_SPEED_RANGE = 0.4
# Fewer pairs are no sample to take an interval from.
LEAST_PAIRS = 8
RESAMPLES = 1000


@dataclass(frozen=True)
class Offset:
    """The offset of two videos' clocks by their matching frames.

    Attributes:
        seconds: The second video's time minus the first's, where both show the same moment.
        low: Lower end of the 95 % interval of `seconds`.
        high: Its upper end.
        pairs: Pairs of frames that are each other's nearest.
        agreeing: Share of the pairs that are within the tolerance of `seconds`.
        speed: Seconds of the second video that pass in a second of the first, over all pairs.
        problem: Why no constant offset fits; empty where one does.
    """

    seconds: float
    low: float
    high: float
    pairs: int
    agreeing: float
    speed: float
    problem: str

    @property
    def fits(self) -> bool:
        """Whether a constant offset explains the pairs."""
        return not self.problem


def estimate_offset(
    times1: Float[np.ndarray, " time1"],
    times2: Float[np.ndarray, " time2"],
    pairs: tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]],
    seed: int = 0,
) -> Offset:
    """Estimates the offset of two videos from pairs of their frames.

    Each pair votes for the difference of its times. The offset is the median of the votes around
    the one that most others are near. The interval is a bootstrap over blocks of pairs, because
    neighbouring pairs err alike, widened by the half frame that no camera can tell.

    Args:
        times1: Seconds of the first video's frames, ascending.
        times2: Seconds of the second video's frames, ascending.
        pairs: Frames of the first and of the second video, from `mutual_pairs`.
        seed: Seed of the bootstrap.
    """
    at1, at2 = times1[pairs[0]], times2[pairs[1]]
    if len(at1) < LEAST_PAIRS:
        nothing, found = float("nan"), counted(len(at1), "pair")
        verb = "is" if len(at1) == 1 else "are"
        problem = f"only {found} of frames {verb} each other's nearest"
        return Offset(nothing, nothing, nothing, len(at1), 0.0, nothing, problem)
    period = max(_period(times1), _period(times2))
    shorter = min(times1[-1] - times1[0], times2[-1] - times2[0])
    tolerance = max(_LEAST_TOLERANCE * period, TOLERANCE * float(shorter))
    votes = at2 - at1
    agree = np.abs(votes - _most_agreed(votes, tolerance)) <= tolerance
    low, high = _interval(votes[agree], np.random.default_rng(seed))
    share, speed = float(agree.mean()), float(theilslopes(at2, at1)[0])
    follows = np.abs(at2 - speed * at1 - np.median(at2 - speed * at1)) <= tolerance
    problem = _problem(share, speed, float(follows.mean()))
    seconds = float(np.median(votes[agree]))
    return Offset(seconds, low - period / 2, high + period / 2, len(at1), share, speed, problem)


def mutual_pairs(
    cost: Float[np.ndarray, "time1 time2"],
) -> tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]:
    """Frames that are each other's nearest, in the order of the first video."""
    there, back = cost.argmin(axis=1), cost.argmin(axis=0)
    rows = np.flatnonzero(back[there] == np.arange(len(there)))
    return rows, there[rows]


def _period(times: Float[np.ndarray, " time"]) -> float:
    """Seconds from a frame to the next one."""
    return float(np.median(np.diff(times))) if len(times) > 1 else 0.0


def _most_agreed(votes: Float[np.ndarray, " pairs"], tolerance: float) -> float:
    """The vote that most others are near; the middle one of equally supported ones."""
    ordered = np.sort(votes)
    # Twice the rounding of a time in single precision, so that equal differences count as equal.
    reach = tolerance * (1 + 1e-6)
    last = np.searchsorted(ordered, ordered + reach, "right")
    support = last - np.searchsorted(ordered, ordered - reach, "left")
    best = ordered[support == support.max()]
    # A vote itself: the mean of two that are far apart has none near it.
    return float(best[len(best) // 2])


def _interval(
    votes: Float[np.ndarray, " pairs"], generator: np.random.Generator
) -> tuple[float, float]:
    """95 % interval of the median by a moving-block bootstrap (Künsch 1989)."""
    # Motion compares the frames this share before and after, so that pairs within it err alike.
    block = max(1, round(REACH * len(votes)))
    blocks = -(-len(votes) // block)
    starts = generator.integers(0, len(votes) - block + 1, (RESAMPLES, blocks, 1))
    drawn = votes[(starts + np.arange(block)).reshape(RESAMPLES, -1)[:, : len(votes)]]
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    return float(low), float(high)


def _problem(share: float, speed: float, following: float) -> str:
    """Why pairs agree on no offset; empty where they do.

    Args:
        share: Share of the pairs that agree on one.
        speed: Seconds of the second video in a second of the first, over all pairs.
        following: Share of the pairs that agree on this speed.
    """
    if share >= AGREEING:
        if abs(speed - 1) <= _SPEED_RANGE:
            return ""
        return (
            f"{share:.0%} of the frame pairs agree on one, but over all pairs a second of the "
            f"first video is {speed:.2f} s of this one"
        )
    text = f"only {share:.0%} of the frame pairs agree on one"
    if abs(speed - 1) > TOLERANCE and following >= AGREEING:
        text += f"; a second of the first video is {speed:.2f} s of this one"
    return text
