"""Learning curves, the table of what each reward reached, and their picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from align.engine.csv_files import write_csv
from align.imitation.config import Reward
from align.report.style import STYLE, colour_legend, light_grid, method_colours, save_png
from align.results.text import markdown

COLUMNS = ("steps", "success")
_ROW = ("reward", "agents", "success", "least", "most", "steps to half")
# An agent has learned the task where it solves this share of the held-out episodes.
_LEARNED = 0.5


@dataclass(frozen=True)
class Point:
    """An evaluation.

    Attributes:
        steps: Time steps that the agent had learned from.
        success: Share of the held-out episodes that it solved.
    """

    steps: int
    success: float


@dataclass(frozen=True)
class Curve:
    """The learning curve of one agent.

    Attributes:
        reward: The reward that it learned from.
        seed: Its seed.
        points: Its evaluations, from step 0 on.
    """

    reward: Reward
    seed: int
    points: tuple[Point, ...]

    @property
    def steps_to_half(self) -> float:
        """Steps until half of the held-out episodes were solved; infinite where they never were."""
        return next((p.steps for p in self.points if p.success >= _LEARNED), float("inf"))


@dataclass(frozen=True)
class Row:
    """The agents of one reward.

    Attributes:
        reward: The reward.
        agents: Number of agents, one a seed.
        success: Mean over agents of the success at the end.
        least: The least success of an agent.
        most: The greatest.
        steps_to_half: Median over agents of `Curve.steps_to_half`.
    """

    reward: Reward
    agents: int
    success: float
    least: float
    most: float
    steps_to_half: float

    @classmethod
    def of_all(cls, curves: Iterable[Curve]) -> list[Row]:
        """One row for each reward, in the order in which they come."""
        groups: dict[Reward, list[Curve]] = {}
        for curve in curves:
            groups.setdefault(curve.reward, []).append(curve)
        return [cls._of(reward, group) for reward, group in groups.items()]

    @classmethod
    def _of(cls, reward: Reward, curves: Sequence[Curve]) -> Row:
        ends = [curve.points[-1].success for curve in curves]
        half = float(np.median([curve.steps_to_half for curve in curves]))
        return cls(reward, len(curves), float(np.mean(ends)), min(ends), max(ends), half)

    def cells(self) -> list[str]:
        """The row as text."""
        half = "never" if np.isinf(self.steps_to_half) else f"{self.steps_to_half:.0f}"
        shares = [f"{value:.2f}" for value in (self.success, self.least, self.most)]
        return [self.reward, str(self.agents), *shares, half]


def as_markdown(rows: Iterable[Row]) -> str:
    """The table as Markdown."""
    return markdown(_ROW, [row.cells() for row in rows])


def save(curves: Sequence[Curve], out: Path) -> None:
    """Writes `results.csv`, with every point of every agent, and `curves.png`."""
    rows = [[c.reward, c.seed, p.steps, p.success] for c in curves for p in c.points]
    write_csv(out / "results.csv", ("reward", "seed", *COLUMNS), rows)
    save_png(draw(curves), out / "curves.png")


@matplotlib.rc_context(STYLE)
def draw(curves: Sequence[Curve]) -> Figure:
    """Success over time steps: a thin line for each agent, a thick mean for each reward."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    colours = method_colours(list(dict.fromkeys(curve.reward for curve in curves)))
    for reward, colour in colours.items():
        group = [curve for curve in curves if curve.reward == reward]
        for curve in group:
            axes.plot(*_places(curve), color=colour, linewidth=0.8, alpha=0.5)
        shortest = min(len(curve.points) for curve in group)
        mean = np.mean([[p.success for p in c.points[:shortest]] for c in group], axis=0)
        steps = [p.steps for p in group[0].points[:shortest]]
        axes.plot(steps, mean, color=colour, linewidth=2.2)
    axes.set_xlabel("time steps")
    axes.set_ylabel("success on held-out episodes")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlim(left=0)
    light_grid(axes, "both")
    colour_legend(figure, colours)
    return figure


def _places(curve: Curve) -> tuple[list[int], list[float]]:
    return [p.steps for p in curve.points], [p.success for p in curve.points]
