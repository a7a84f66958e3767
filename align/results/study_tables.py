"""The results of an ablation so far: a table and a CSV file for each study.

Values are chosen on validation episodes, so the validation error comes first. The test error stands
beside it and does not influence the choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from align.engine.csv_files import write_csv
from align.engine.run_folder import run_name
from align.results.chance import RANDOM_ERROR, RANDOM_LABEL
from align.results.statistics import mean
from align.results.studies import Study, Variant
from align.results.text import (
    ARROWS,
    NO_VALUE,
    format_spread,
    markdown,
    spread,
    with_arrow,
)
from datasets.storage.atomic import atomic_path


@dataclass(frozen=True)
class Measured:
    """One run of a variant.

    Attributes:
        folder: The run's folder.
        seed: The run's seed.
        valid: Lowest error on the validation episodes.
        test: Error of the checkpoint with that error on the test episodes.
        collapsed: Whether its embeddings have collapsed or match no better than random.
    """

    folder: Path
    seed: int
    valid: float
    test: float
    collapsed: bool = False


@dataclass(frozen=True)
class Point:
    """A variant and its runs, one for each seed."""

    method: str
    label: str
    runs: Sequence[Measured]

    def errors(self, split: str) -> list[float]:
        """The error of each run on the `valid` or the `test` episodes."""
        return [run.valid if split == "valid" else run.test for run in self.runs]


@dataclass(frozen=True)
class StudyResult:
    """The measured runs of a study.

    Attributes:
        study: The study.
        world: Description of the data set.
        metric: Name of the error that is measured.
        reference: The plain method that others are compared with.
        points: Variants with at least one run, those of a method next to each other.
    """

    study: Study
    world: str
    metric: str
    reference: Point
    points: Sequence[Point]

    def chosen(self, method: str) -> Point:
        """The variant with the lowest mean validation error, the first of equal ones."""
        return min(
            (point for point in self.points if point.method == method),
            key=lambda point: mean(point.errors("valid")),
        )


def collect(variant: Variant, runs: Sequence[Measured]) -> Point:
    """Selects the runs of a variant from all runs of a grid, by the names of their folders."""
    own = [run for run in runs if run.folder.name == run_name(variant.name, run.seed)]
    return Point(variant.method, variant.label, sorted(own, key=lambda run: run.seed))


def as_markdown(result: StudyResult) -> str:
    """A heading, the table and how to read it."""
    errors = [with_arrow("error", title) for title in (f"validation {result.metric}", "test")]
    header = ["method", result.study.axis, *errors, "seeds"]
    lines = []
    chosen = {point.method: result.chosen(point.method) for point in result.points}
    for point in (result.reference, *result.points):
        best = chosen.get(point.method) is point
        cells = [point.method, f"**{point.label}**" if best else point.label or NO_VALUE]
        cells += [spread(point.errors("valid")), spread(point.errors("test"))]
        lines.append([*cells, str(len(point.runs))])
    lines.append([RANDOM_LABEL, "", *[format_spread(RANDOM_ERROR)] * 2, ""])
    collapsed = [
        f"{point.method} {point.label} seed {run.seed}"
        for point in (result.reference, *result.points)
        for run in point.runs
        if run.collapsed
    ]
    parts = [f"### {result.study.title}: {result.world}", markdown(header, lines)]
    parts += [f"Collapsed or no better than random: {'; '.join(collapsed)}."] if collapsed else []
    note = (
        f"Mean ± sample standard deviation over seeds; with one seed the mean alone. {ARROWS} "
        f"Bold: the value with the lowest validation error of a method, which is chosen; the test "
        f"error does not influence the choice. {result.reference.method} ({NO_VALUE}): without the "
        f"module. A dash as a number: no run yet. In the paper: {result.study.source}."
    )
    return "\n\n".join([*parts, note])


def write_runs(path: Path, result: StudyResult) -> None:
    """Writes one row for each run as CSV in full precision."""
    header = ["method", result.study.option, "seed", "valid", "test", "collapsed", "folder"]
    rows = [
        [point.method, point.label, run.seed, run.valid, run.test, run.collapsed, run.folder]
        for point in (result.reference, *result.points)
        for run in point.runs
    ]
    write_csv(path, header, rows)


def write_study(folder: Path, name: str, result: StudyResult) -> Path:
    """Writes `<name>.md` and `<name>.csv` and returns the path of the first."""
    write_runs(folder / f"{name}.csv", result)
    path = folder / f"{name}.md"
    with atomic_path(path) as temporary:
        temporary.write_text(as_markdown(result) + "\n", encoding="utf-8")
    return path
