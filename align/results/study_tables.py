"""The results of an ablation so far: a table and a CSV file for each study.

Values are chosen on validation items, so what was measured on these comes first. The test stands
beside it and does not influence the choice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from align.engine.csv_files import write_csv
from align.engine.run_folder import run_name
from align.results.chance import RANDOM_LABEL
from align.results.statistics import mean
from align.results.studies import Study, Variant, reference, variants
from align.results.text import ARROWS, NO_VALUE, markdown, spread, with_arrow
from datasets.storage.atomic import atomic_path

StudyName = TypeVar("StudyName", bound=str)


@dataclass(frozen=True)
class Measure:
    """The metric that is measured for each run.

    Attributes:
        name: Its name, such as `alignment error`.
        chance: Its value without any information.
        items: What it is measured on, such as `episodes`.
        digits: Decimals that tables show.
        lower_is_better: Whether lower values are better, as of errors.
    """

    name: str
    chance: float
    items: str
    digits: int = 3
    lower_is_better: bool = False

    def spread(self, values: Sequence[float]) -> str:
        """Mean and sample standard deviation as text."""
        return spread(values, digits=self.digits)


@dataclass(frozen=True)
class Measured:
    """One run of a variant.

    Attributes:
        folder: The run's folder.
        seed: The run's seed.
        valid: Its best value on the validation items; NaN without any.
        test: Value of the checkpoint with that value on the test items.
        collapsed: Whether it has collapsed or is no better than random.
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

    def measured(self, split: str) -> list[float]:
        """The value of each run on the `valid` or the `test` items."""
        return [run.valid if split == "valid" else run.test for run in self.runs]


@dataclass(frozen=True)
class StudyResult:
    """The measured runs of a study.

    Attributes:
        study: The study.
        world: Description of the data set.
        measure: What is measured.
        reference: The plain method that others are compared with.
        points: Variants with at least one run, those of a method next to each other.
    """

    study: Study
    world: str
    measure: Measure
    reference: Point
    points: Sequence[Point]

    @property
    def rows(self) -> list[Point]:
        """The plain method, unless it is one of those that are varied, and all variants."""
        varied = any(point.method == self.reference.method for point in self.points)
        return [*self.points] if varied else [self.reference, *self.points]

    def chosen(self, method: str) -> Point | None:
        """The variant that is best on validation items, the first of equal ones.

        None where no run has been validated.
        """
        sign = 1 if self.measure.lower_is_better else -1
        means = [(sign * mean(p.measured("valid")), p) for p in self.points if p.method == method]
        known = [(value, point) for value, point in means if not math.isnan(value)]
        return min(known, key=lambda pair: pair[0], default=(0.0, None))[1]


def collect(variant: Variant, runs: Sequence[Measured]) -> Point:
    """Selects the runs of a variant from all runs of a grid, by the names of their folders."""
    own = [run for run in runs if run.folder.name == run_name(variant.name, run.seed)]
    return Point(variant.method, variant.label, sorted(own, key=lambda run: run.seed))


def study_results(
    studies: Mapping[StudyName, Study],
    config: Any,
    baseline: str,
    depth: int,
    runs: Sequence[Measured],
    world: str,
    measure: Measure,
) -> dict[StudyName, StudyResult]:
    """The result of each study; studies without any run are left out.

    Args:
        studies: Name to study.
        config: Options that all runs share.
        baseline: The plain method.
        depth: Number of blocks of the backbone.
        runs: All measured runs of a grid.
        world: Description of the data set.
        measure: What was measured.
    """
    plain = collect(reference(config, baseline), runs)
    found = {}
    for name, study in studies.items():
        points = [collect(variant, runs) for variant in variants(study, config, depth)]
        if known := [point for point in points if point.runs]:
            found[name] = StudyResult(study, world, measure, plain, known)
    return found


def as_markdown(result: StudyResult) -> str:
    """A heading, the table and how to read it."""
    measure, chosen = result.measure, {p.method: result.chosen(p.method) for p in result.points}
    titles = [with_arrow(measure.name, t) for t in (f"validation {measure.name}", "test")]
    header = ["method", result.study.axis, *titles, "seeds"]
    lines = []
    for point in result.rows:
        best = chosen.get(point.method) is point
        cells = [point.method, f"**{point.label}**" if best else point.label or NO_VALUE]
        cells += [measure.spread(point.measured(split)) for split in ("valid", "test")]
        lines.append([*cells, str(len(point.runs))])
    lines.append([RANDOM_LABEL, "", *[measure.spread([measure.chance])] * 2, ""])
    collapsed = [
        f"{point.method} {point.label} seed {run.seed}"
        for point in result.rows
        for run in point.runs
        if run.collapsed
    ]
    parts = [f"### {result.study.title}: {result.world}", markdown(header, lines)]
    parts += [f"Collapsed or no better than random: {'; '.join(collapsed)}."] if collapsed else []
    return "\n\n".join([*parts, _note(result)])


def _note(result: StudyResult) -> str:
    best = "lowest" if result.measure.lower_is_better else "highest"
    plain = f"{result.reference.method} ({NO_VALUE}): without the module. "
    return (
        f"Mean ± sample standard deviation over seeds; with one seed the mean alone. {ARROWS} "
        f"Bold: the value with the {best} validation {result.measure.name} of a method, which is "
        f"chosen; the test does not influence the choice. "
        f"{plain if result.reference in result.rows else ''}"
        f"A dash as a number: no run yet, or no validation. In the paper: {result.study.source}."
    )


def write_runs(path: Path, result: StudyResult) -> None:
    """Writes one row for each run as CSV in full precision."""
    header = ["method", result.study.option, "seed", "valid", "test", "collapsed", "folder"]
    rows = [
        [point.method, point.label, run.seed, run.valid, run.test, run.collapsed, run.folder]
        for point in result.rows
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
