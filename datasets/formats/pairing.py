"""Views and measurements of one episode, brought together by their times."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from datasets.errors import DamagedDataError, MismatchError

logger = logging.getLogger(__name__)

# A rate that is read from times in milliseconds is off by up to this share.
SAME_RATE = 0.01


class Steps(NamedTuple):
    """The time steps of an episode.

    Attributes:
        picks: View to the frame of each time step.
        rate: Time steps a second.
        measured: Name to measurements at each time step.
    """

    picks: dict[str, Int64[np.ndarray, " time"]]
    rate: float
    measured: dict[str, Float[np.ndarray, "time columns"]]


def pair_by_time(
    times: Mapping[str, Float[np.ndarray, " frames"]], name: str
) -> tuple[dict[str, Int64[np.ndarray, " time"]], float | None]:
    """For each view the frame of each time step of the episode, and time steps a second.

    Args:
        times: View to display times of its frames, in seconds from the first.
        name: The episode, for messages.

    Returns:
        View to frames, and the rate; None where there is one time step.

    Raises:
        MismatchError: When views differ in duration, or a view has no frame near a time step.
    """
    slowest = min(times, key=lambda view: len(times[view]))
    count, end = len(times[slowest]), times[slowest][-1]
    if count == 1 or end <= 0:
        if len({len(t) for t in times.values()}) > 1:
            raise MismatchError(
                f"{name}: the videos have {_listed(times, len)} frames, and {slowest} has no "
                "duration. Views of one episode must show the same span of time."
            )
        return {view: np.arange(len(t)) for view, t in times.items()}, None
    step = float(end / (count - 1))
    if any(abs(t[-1] - end) > 1.5 * step for t in times.values()):
        raise MismatchError(
            f"{name}: the videos last {_listed(times, lambda t: f'{t[-1]:.2f} s')}; views of one "
            "episode must show the same span of time. Cut the longer ones, or correct the rate of "
            "one: ffmpeg -r RATE -i IN OUT"
        )
    return nearest_frames(times, np.arange(count) * step, step, name), 1 / step


def nearest_frames(
    times: Mapping[str, Float[np.ndarray, " frames"]],
    grid: Float[np.ndarray, " time"],
    step: float,
    name: str,
) -> dict[str, Int64[np.ndarray, " time"]]:
    """For each view the frames that are nearest to the time steps of an episode.

    A warning names views of which other frames than all are taken.

    Args:
        times: View to times of its frames, in seconds.
        grid: Times of the time steps, evenly spaced.
        step: Seconds between them.
        name: The episode, for messages.

    Raises:
        MismatchError: When a view has no frame within a time step of one.
    """
    picks = {view: _nearest(t, grid) for view, t in times.items()}
    for view, chosen in picks.items():
        apart = np.abs(times[view][chosen] - grid)
        if apart.max() > step:
            raise MismatchError(
                f"{name}: {view} has no frame within {step:.3f} s of "
                f"{grid[apart.argmax()] - grid[0]:.3f} s of the episode. Cut the episode there."
            )
    changed = [
        view for view, t in times.items() if not np.array_equal(picks[view], np.arange(len(t)))
    ]
    if changed:
        logger.warning(
            "%s: %s at %.4g frames a second: the frames nearest in time were taken",
            name,
            " and ".join(f"{view} ({len(times[view])} frames)" for view in changed),
            1 / step,
        )
    return picks


def pair_by_clock(
    times: Mapping[str, Float[np.ndarray, " frames"]], name: str
) -> tuple[dict[str, Int64[np.ndarray, " time"]], Float[np.ndarray, " time"]]:
    """For each view the frame of each time step, where all times are of one clock.

    The time steps are evenly spaced at the rate of the slowest view, by its median, and lie within
    the span that all views have.

    Args:
        times: View to times of its frames, in seconds, which grow.
        name: The episode, for messages.

    Returns:
        View to frames, and the times of the time steps in seconds.

    Raises:
        DamagedDataError: When times do not grow, or a view has a single frame.
        MismatchError: When views share no span of time, or one has no frame near a time step.
    """
    for view, t in times.items():
        if len(t) < 2 or not (np.diff(t) >= 0).all() or not t[0] < t[-1]:
            raise DamagedDataError(
                f"{name}: {view} has {len(t)} frames, whose times must grow. Leave the episode out."
            )
    start, stop = max(t[0] for t in times.values()), min(t[-1] for t in times.values())
    step = max(float(np.median(np.diff(t))) for t in times.values())
    if stop - start < step or step <= 0:
        raise MismatchError(
            f"{name}: no span of time is in all of its views ({', '.join(times)}). Are the clocks "
            "of their computers synchronised?"
        )
    # The last time step may be a rounding error away from the end.
    grid = start + step * np.arange(int((stop - start) / step + 1e-3) + 1)
    return nearest_frames(times, grid, step, name), grid


def values_at(
    times: Float[np.ndarray, " time"],
    stamps: Float[np.ndarray, " samples"],
    values: Float[np.ndarray, " samples"],
    within: float,
    name: str,
) -> Float[np.ndarray, " time"]:
    """A measured quantity at some times, linear between its samples and constant beyond them.

    Args:
        times: The times in seconds.
        stamps: Times of the samples, in order.
        values: The samples.
        within: How far a sample may be from a time.
        name: The recording and the quantity, for messages.

    Raises:
        MismatchError: When there is no sample near a time.
    """
    chosen = _nearest(stamps, times)
    away = np.abs(stamps[chosen] - times)
    if away.max() > within:
        raise MismatchError(
            f"{name} has no value within {within:.3f} s of "
            f"{times[away.argmax()] - times[0]:.3f} s of the episode. Cut the recording there."
        )
    return np.interp(times, stamps, values)


def _nearest(
    times: Float[np.ndarray, " frames"], grid: Float[np.ndarray, " time"]
) -> Int64[np.ndarray, " time"]:
    after = np.searchsorted(times, grid).clip(1, max(1, len(times) - 1))
    before = after - 1
    after = after.clip(0, len(times) - 1)
    return np.where(grid - times[before] <= times[after] - grid, before, after)


def _listed(
    times: Mapping[str, Float[np.ndarray, " frames"]],
    describe: Callable[[Float[np.ndarray, " frames"]], object],
) -> str:
    return ", ".join(f"{describe(t)} ({view})" for view, t in times.items())


def one_rate(path: Path, rates: Mapping[str, float]) -> float:
    """The rate of all episodes.

    Args:
        path: The data set, for messages.
        rates: Episode to its time steps a second.

    Raises:
        MismatchError: When two of them differ.
    """
    first, rate = next(iter(rates.items()))
    for name, other in rates.items():
        if abs(other / rate - 1) > SAME_RATE:
            raise MismatchError(
                f"{path}: {first} has {rate:.4g} time steps a second, {name} {other:.4g}; all "
                "episodes of a data set need one rate. Convert them apart, or encode them again at "
                "one rate: ffmpeg -i IN -r RATE OUT"
            )
    return rate
