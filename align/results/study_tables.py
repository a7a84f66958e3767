"""What an ablation has measured so far: a table and a CSV file of each study.

What is chosen is chosen on validation episodes, so their error comes first; the test error stands
beside it and decides nothing.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from align.engine.run_folder import run_name
from align.results.studies import Study, Variant
from align.results.text import format_spread, markdown, mean
from datasets.storage.atomic import atomic_path


@dataclass(frozen=True)
class Measured:
    """One run of a variant.

    Attributes:
        folder: Of the run.
        seed: Of the run.
        valid: Error on the validation episodes, at the checkpoint with the lowest.
        test: Error of that checkpoint on the test episodes.
        collapsed: Whether its embeddings are next to useless.
    """

    folder: Path
    seed: int
    valid: float
    test: float
    collapsed: bool = False


@dataclass(frozen=True)
class Point:
    """A variant and its runs, one a seed."""

    method: str
    label: str
    runs: Sequence[Measured]

    def errors(self, split: str) -> list[float]:
        """The error of each run on the `valid` or the `test` episodes."""
        return [run.valid if split == "valid" else run.test for run in self.runs]


@dataclass(frozen=True)
class StudyResult:
    """What a study has measured.

    Attributes:
        study: What was varied.
        world: On what data, in words.
        metric: Whose error it is.
        reference: The plain method that others are compared with.
        points: Variants with at least one run, a method's side by side.
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
    """The measured runs of a variant among all those of a grid, by their folders' names."""
    own = [run for run in runs if run.folder.name == run_name(variant.name, run.seed)]
    return Point(variant.method, variant.label, sorted(own, key=lambda run: run.seed))


def as_markdown(result: StudyResult) -> str:
    """A heading, the table and how to read it."""
    header = ["method", result.study.axis, f"validation {result.metric} ↓", "test ↓", "seeds"]
    lines = []
    chosen = {point.method: result.chosen(point.method) for point in result.points}
    for point in (result.reference, *result.points):
        best = chosen.get(point.method) is point
        cells = [point.method, f"**{point.label}**" if best else point.label or "–"]
        cells += [spread(point.errors("valid")), spread(point.errors("test"))]
        lines.append([*cells, str(len(point.runs))])
    collapsed = [
        f"{point.method} {point.label} seed {run.seed}"
        for point in (result.reference, *result.points)
        for run in point.runs
        if run.collapsed
    ]
    parts = [f"### {result.study.title}: {result.world}", markdown(header, lines)]
    parts += [f"Collapsed or no better than random: {'; '.join(collapsed)}."] if collapsed else []
    note = (
        f"Mean ± sample standard deviation over seeds. Bold: the lowest validation error of a "
        f"method, by which a value is chosen; the test error decides nothing. "
        f"{result.reference.method}: without the module. In the paper: {result.study.source}."
    )
    return "\n\n".join([*parts, note])


def spread(values: Sequence[float]) -> str:
    """`0.123 ± 0.004`; only the value where there is one, a dash where there is none."""
    return format_spread(mean(values), *([statistics.stdev(values)] if len(values) > 1 else []))


def write_csv(path: Path, result: StudyResult) -> None:
    """Writes one row a run with full precision."""
    columns = ["method", result.study.option, "seed", "valid", "test", "collapsed", "folder"]
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for point in (result.reference, *result.points):
            for run in point.runs:
                row = [run.seed, run.valid, run.test, run.collapsed, run.folder]
                writer.writerow([point.method, point.label, *row])


def write_study(folder: Path, name: str, result: StudyResult) -> Path:
    """Writes `<name>.md` and `<name>.csv` and returns the path of the first."""
    write_csv(folder / f"{name}.csv", result)
    path = folder / f"{name}.md"
    with atomic_path(path) as temporary:
        temporary.write_text(as_markdown(result) + "\n", encoding="utf-8")
    return path
