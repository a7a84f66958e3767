"""The table of cloned policies: success by observation and place of the camera."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import binomtest

from align.cloning.config import Cameras
from align.cloning.rollouts import Rollouts
from align.engine.csv_files import write_csv
from align.results.text import markdown

_COLUMNS = ("observes", "camera", "policies", "rollouts", "success", "low", "high")


@dataclass(frozen=True)
class Row:
    """Success of all policies of one observation, with one place of the camera.

    Attributes:
        observed: What the policies observe.
        cameras: Where their camera stood.
        policies: Number of policies, one a seed.
        rollouts: Number of rollouts of all of them.
        success: Share of rollouts that solved their task.
        low: Lower end of its 95 % interval (Wilson's), over rollouts of these policies.
        high: Its upper end.
    """

    observed: str
    cameras: Cameras
    policies: int
    rollouts: int
    success: float
    low: float
    high: float

    @classmethod
    def of_all(cls, results: Iterable[tuple[str, Rollouts]]) -> list[Row]:
        """One row for each observation and place, in the order in which they come."""
        groups: dict[tuple[str, Cameras], list[Rollouts]] = {}
        for observed, tried in results:
            groups.setdefault((observed, tried.cameras), []).append(tried)
        return [cls.of(observed, place, tried) for (observed, place), tried in groups.items()]

    @classmethod
    def of(cls, observed: str, cameras: Cameras, tried: list[Rollouts]) -> Row:
        """The row of the policies of one observation."""
        outcomes = [success for each in tried for success in each.successes]
        interval = binomtest(sum(outcomes), len(outcomes)).proportion_ci(method="wilson")
        share = sum(outcomes) / len(outcomes)
        count = len(outcomes)
        return cls(observed, cameras, len(tried), count, share, interval.low, interval.high)

    def cells(self) -> list[str]:
        """The row as text, in the order of the CSV's columns."""
        shares = [f"{value:.3f}" for value in (self.success, self.low, self.high)]
        return [self.observed, self.cameras, str(self.policies), str(self.rollouts), *shares]


def save(results: Iterable[tuple[str, Rollouts]], path: Path) -> None:
    """Writes the table as CSV."""
    write_csv(path, _COLUMNS, [row.cells() for row in Row.of_all(results)])


def as_markdown(rows: Iterable[Row]) -> str:
    """The table as Markdown."""
    return markdown(_COLUMNS, [row.cells() for row in rows])
