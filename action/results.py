"""Runs of action recognition side by side: mean and spread over seeds, against the baseline."""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from action.config import ACTION_METHODS, ActionConfig
from action.evaluation import ActionEvaluation, Ensemble, find_evaluation
from align.engine.run_folder import CONFIG_NAME, read_history
from align.results.text import format_spread, markdown
from datasets.storage.atomic import atomic_path

BASELINE = "baseline"
BOOTSTRAP_DRAWS = 2000
RUNS_NAME, TABLE_NAME = "runs.csv", "table.md"
TITLES = {
    "top1": "top-1",
    "top5": "top-5",
    "mean_class_accuracy": "mean class accuracy",
}
NOTE = (
    "Accuracy in percent, mean ± sample standard deviation over seeds. Against the baseline: "
    "difference of top-1 in points over the seeds that both have, with its 95 % interval by a "
    "paired bootstrap over seeds and test clips."
)


@dataclass(frozen=True)
class ActionRun:
    """A trained run with what it was measured on.

    Attributes:
        folder: Where it is.
        config: All its options.
        history: One entry an epoch.
        evaluations: By protocol, on the test clips.
    """

    folder: Path
    config: ActionConfig
    history: list[dict[str, float]]
    evaluations: dict[str, ActionEvaluation]

    @property
    def label(self) -> str:
        """The method."""
        return self.config.method

    @property
    def minutes(self) -> float:
        """Of training and validation."""
        return sum(row["seconds"] for row in self.history) / 60


@dataclass(frozen=True)
class Gain:
    """Of top-1 over the baseline's, in points, with its 95 % interval."""

    points: float
    low: float
    high: float

    def __str__(self) -> str:
        """`+3.1 [1.0, 5.2]`."""
        return f"{self.points:+.1f} [{self.low:.1f}, {self.high:.1f}]".replace("-", "−")


@dataclass(frozen=True)
class ActionRow:
    """One method under one protocol.

    Attributes:
        method: Its name.
        protocol: Whose test clips.
        seeds: One run each.
        mean: Metric to percent.
        std: Of the same; NaN with one seed.
        gain: None for the baseline, and without a common seed.
    """

    method: str
    protocol: str
    seeds: tuple[int, ...]
    mean: dict[str, float]
    std: dict[str, float]
    gain: Gain | None


def measured_runs(
    out: Path, protocols: Sequence[str], num_clips: int = 1, ensemble: Ensemble = "mean"
) -> list[ActionRun]:
    """The runs under a folder that were measured on all these protocols, and alike.

    Args:
        out: The folder.
        protocols: Whose test clips.
        num_clips: Samples of each clip; runs measured with others are left out.
        ensemble: What became of their scores; runs measured with another are left out.

    Raises:
        DataError: When a run cannot be read.
    """
    runs = []
    for path in sorted(out.glob(f"*/{CONFIG_NAME}")):
        folder = path.parent
        history = folder / "metrics.csv"
        found = {
            protocol: evaluation
            for protocol in protocols
            if (evaluation := find_evaluation(folder, protocol, num_clips, ensemble))
        }
        if history.exists() and len(found) == len(protocols):
            runs.append(ActionRun(folder, ActionConfig.load(folder), read_history(history), found))
    return sorted(runs, key=lambda run: (ACTION_METHODS.index(run.config.method), run.config.seed))


def result_rows(runs: Sequence[ActionRun]) -> list[ActionRow]:
    """One row a protocol and method."""
    protocols = list(dict.fromkeys(name for run in runs for name in run.evaluations))
    methods = list(dict.fromkeys(run.label for run in runs))
    return [_row(runs, method, protocol) for protocol in protocols for method in methods]


def _row(runs: Sequence[ActionRun], method: str, protocol: str) -> ActionRow:
    own = [run.evaluations[protocol] for run in runs if run.label == method]
    values = {name: [100 * e.metrics[name] for e in own] for name in own[0].metrics}
    baseline = [run.evaluations[protocol] for run in runs if run.label == BASELINE]
    return ActionRow(
        method,
        protocol,
        tuple(e.seed for e in own),
        {name: statistics.fmean(of_runs) for name, of_runs in values.items()},
        {
            name: statistics.stdev(of_runs) if len(of_runs) > 1 else math.nan
            for name, of_runs in values.items()
        },
        None if method == BASELINE else gain(baseline, own, np.random.default_rng(0)),
    )


def gain(
    baseline: Sequence[ActionEvaluation],
    method: Sequence[ActionEvaluation],
    rng: np.random.Generator,
) -> Gain | None:
    """Top-1 of a method against the baseline's, over the seeds that both have.

    Returns:
        None without a common seed.
    """
    theirs, ours = ({e.seed: e for e in group} for group in (baseline, method))
    seeds = sorted(set(theirs) & set(ours))
    if not seeds:
        return None
    differences = np.stack([_correct(ours[seed]) - _correct(theirs[seed]) for seed in seeds])
    runs, clips = differences.shape
    draws = [
        differences[np.ix_(rng.integers(runs, size=runs), rng.integers(clips, size=clips))].mean()
        for _ in range(BOOTSTRAP_DRAWS)
    ]
    low, high = 100 * np.percentile(draws, [2.5, 97.5])
    return Gain(100 * float(differences.mean()), float(low), float(high))


def _correct(evaluation: ActionEvaluation) -> Float[np.ndarray, " clips"]:
    """1 for each clip that is recognised, in the order of their names."""
    clips = sorted(evaluation.clips.items())
    return np.array([float(true == guess) for _, (true, guess) in clips])


def table(rows: Sequence[ActionRow]) -> list[list[str]]:
    """Header and rows as text."""
    names = [name for name in TITLES if all(name in row.mean for row in rows)]
    header = ["protocol", "method", *(TITLES[name] for name in names), "seeds", "against baseline"]
    return [
        header,
        *(
            [
                row.protocol,
                row.method,
                *(format_spread(row.mean[name], row.std[name], digits=1) for name in names),
                str(len(row.seeds)),
                "–" if row.gain is None else str(row.gain),
            ]
            for row in rows
        ),
    ]


def setting(runs: Sequence[ActionRun]) -> str:
    """How large the runs were and how long they took, in words."""
    backbone, minutes = runs[0].config.backbone, sorted(run.minutes for run in runs)
    clips = {name: len(e.clips) for name, e in runs[0].evaluations.items()}
    first = next(iter(runs[0].evaluations.values()))
    return (
        f"TimeSformer, {backbone.depth} blocks of width {backbone.dim}, "
        f"{backbone.image_size} pixels, trained on {runs[0].config.data}, "
        f"{first.trained_on}, for "
        f"{int(runs[0].history[-1]['epoch'])} epochs; test clips: "
        f"{', '.join(f'{name} {count}' for name, count in clips.items())}, "
        f"samples of each: {first.num_clips} ({first.ensemble}); "
        f"{minutes[0]:.1f} to {minutes[-1]:.1f} minutes a run"
    )


def write_results(out: Path, runs: Sequence[ActionRun]) -> None:
    """Writes `table.md`, and `runs.csv` with one row a run and protocol in full precision."""
    header, *lines = table(result_rows(runs))
    with atomic_path(out / TABLE_NAME) as temporary:
        parts = (f"{setting(runs)}.", markdown(header, lines), NOTE)
        temporary.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    with atomic_path(out / RUNS_NAME) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file)
        names = list(next(iter(runs[0].evaluations.values())).metrics)
        writer.writerow(["method", "seed", "protocol", *names, "clips", "epochs", "minutes"])
        for run in runs:
            for protocol, evaluation in run.evaluations.items():
                values = [evaluation.metrics[name] for name in names]
                clips, epochs = len(evaluation.clips), int(run.history[-1]["epoch"])
                writer.writerow(
                    [run.label, run.config.seed, protocol, *values, clips, epochs, run.minutes]
                )
