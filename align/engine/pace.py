"""How long a training will take, measured over its first steps."""

from __future__ import annotations

import time

# The first steps allocate memory and warm caches: they take several times as long as later ones.
WARM_UP_STEPS = 3
TIMED_STEPS = 10


class Pace:
    """Times the first steps of a training, then estimates the rest once."""

    def __init__(self, steps: int) -> None:
        """Waits for the first step of `steps`."""
        self.steps = steps
        self.seen = 0
        self._started = 0.0

    def step(self) -> str | None:
        """Counts a finished step; returns the estimate after the last timed one, else None."""
        self.seen += 1
        if self.seen == WARM_UP_STEPS:
            self._started = time.perf_counter()
        if self.seen != WARM_UP_STEPS + TIMED_STEPS or self.steps <= self.seen:
            return None
        seconds = (time.perf_counter() - self._started) / TIMED_STEPS
        left = seconds * (self.steps - self.seen)
        end = time.strftime("%H:%M", time.localtime(time.time() + left))
        return (
            f"{seconds:.2g} s a step: about {duration(left)} for the {self.steps - self.seen} "
            f"steps left, until {end}; validations come on top"
        )


def duration(seconds: float) -> str:
    """A length of time to two units: `45 s`, `12 min`, `3 h 20 min`, `1 d 4 h`."""
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{round(seconds)} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(minutes / 60)
    return f"{hours // 24} d {hours % 24} h"
