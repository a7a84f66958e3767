"""Runs of action recognition compared: mean and spread over seeds, and the baseline's test."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from action.comparing.controls import NOTE as CONTROLS_NOTE
from action.comparing.controls import Control, control_lines
from action.comparing.gains import Gain, gain
from action.config import ACTION_METHODS, ActionConfig
from action.evaluation import ActionEvaluation, Ensemble, find_evaluation, own_metric
from action.models.registry import architecture, modality
from align.engine.csv_files import write_csv
from align.engine.run_folder import RunFolder
from align.results.chance import RANDOM_LABEL
from align.results.labels import label_runs, variant_options
from align.results.processors import UNKNOWN, baseline_of, not_compared, on
from align.results.statistics import mean, std
from align.results.text import (
    ARROWS,
    NO_VALUE,
    between,
    count,
    format_spread,
    markdown,
    span,
    with_arrow,
)
from datasets.errors import DataError
from datasets.storage.atomic import atomic_path

log = logging.getLogger(__name__)

BASELINE = "baseline"
RUNS_NAME, TABLE_NAME = "runs.csv", "table.md"
TITLES = {
    "top1": "top-1",
    "top5": "top-5",
    "mean_class_accuracy": "mean class accuracy",
}
NOTE = (
    "Accuracy in percent, mean ± sample standard deviation over seeds; with one seed the mean "
    f"alone. {ARROWS} Runs of a method that differ in an option have rows of their own, which name "
    "it. Against the baseline: difference of top-1, on Smarthome of mean class accuracy, in points "
    "over the seeds that both have, with its 95 % t-interval over seeds and test clips, which one "
    "seed cannot give; the baseline is "
    "that of the same variant where there is one. The row "
    f"“{RANDOM_LABEL}” is chance: guessing among the classes of the test clips. A dash "
    f"({NO_VALUE}): the baseline itself, or no seed in common with it."
)


@dataclass(frozen=True)
class ActionRun:
    """A trained run with its evaluations.

    Attributes:
        folder: The run's folder.
        config: All its options.
        history: One entry for each epoch.
        evaluations: Protocol to the evaluation on its test clips.
        kind: The method, with its variant and the options in which it differs from other runs of
            its method; the method alone by default.
        processor: The processor of the evaluations, where the runs of a table have several.
    """

    folder: Path
    config: ActionConfig
    history: list[dict[str, float]]
    evaluations: dict[str, ActionEvaluation]
    kind: str = ""
    processor: str = ""

    @property
    def label(self) -> str:
        """The kind of run, and the processor where the runs of a table have several."""
        kind = self.kind or self.config.method
        return on(kind, self.processor) if self.processor else kind

    @property
    def minutes(self) -> float:
        """Minutes of training and validation."""
        return sum(row["seconds"] for row in self.history) / 60


@dataclass(frozen=True)
class ActionRow:
    """One method under one protocol.

    Attributes:
        method: Name of the method.
        protocol: Protocol that selects the test clips.
        seeds: Seed of each run.
        mean: Metric to its mean in percent.
        std: Metric to its sample standard deviation; NaN with one seed.
        gain: Difference to the baseline; None for the baseline, and without a common seed.
        classes: Number of classes of the test clips.
        sees: What the model sees at inference.
        metric: The metric of the data set, of which `gain` is the difference.
    """

    method: str
    protocol: str
    seeds: tuple[int, ...]
    mean: dict[str, float]
    std: dict[str, float]
    gain: Gain | None
    classes: int
    sees: str
    metric: str = "top1"


def measured_runs(
    out: Path, protocols: Sequence[str], num_clips: int = 1, ensemble: Ensemble = "mean"
) -> list[ActionRun]:
    """The runs in a folder that were measured on all these protocols, in the same way.

    A run with a damaged file, one measured on other clips than most, and a second one of the same
    options and seed, such as a copy of a folder, are named and left out.

    Args:
        out: The folder.
        protocols: Protocols that select test clips.
        num_clips: Samples of each clip; runs measured with another number are left out.
        ensemble: How scores of samples are combined; runs measured in another way are left out.
    """
    runs = []
    for run in RunFolder.all_in(out):
        found = {
            protocol: evaluation
            for protocol in protocols
            if (evaluation := find_evaluation(run.path, protocol, num_clips, ensemble))
        }
        if not run.history.exists() or len(found) < len(protocols):
            continue
        try:
            config = replace(ActionConfig.load(run.path), out=run.path)
            runs.append(ActionRun(run.path, config, run.load_history(), found))
        except DataError as error:
            log.warning("left out: %s", error)
    for protocol in protocols:
        runs = _on_the_same_clips(runs, protocol)
    kinds, processors = label_runs([run.config for run in runs]), [_processor(run) for run in runs]
    runs = [replace(run, kind=kind) for run, kind in zip(runs, kinds, strict=True)]
    if len(set(processors)) > 1:
        runs = [replace(run, processor=p) for run, p in zip(runs, processors, strict=True)]
    return _one_of_each_seed(sorted(runs, key=_order))


def _order(run: ActionRun) -> tuple[int, str, int]:
    return ACTION_METHODS.index(run.config.method), run.label, run.config.seed


def _one_of_each_seed(runs: Sequence[ActionRun]) -> list[ActionRun]:
    """The runs without those that would count one seed twice, and make the spread too small."""
    first: dict[tuple[str, int], ActionRun] = {}
    for run in runs:
        twin = first.setdefault((run.label, run.config.seed), run)
        if twin is not run:
            log.warning(
                "left out: %s and %s are both %s with seed %d. Remove one, or train another seed.",
                run.folder,
                twin.folder,
                run.label,
                run.config.seed,
            )
    return list(first.values())


def _on_the_same_clips(runs: Sequence[ActionRun], protocol: str) -> list[ActionRun]:
    """The runs that were measured on the clips that most were measured on; others are named."""
    measured = [_clips(run.evaluations[protocol]) for run in runs]
    usual = Counter(measured).most_common(1)
    for run, clips in zip(runs, measured, strict=True):
        if clips != usual[0][0]:
            log.warning(
                "left out: %s was measured on other clips of %s than most runs. Measure it again "
                "with `python -m action.evaluate %s --protocol %s`.",
                run.folder,
                protocol,
                run.folder,
                protocol,
            )
    return [run for run, clips in zip(runs, measured, strict=True) if clips == usual[0][0]]


def _processor(run: ActionRun) -> str:
    used = dict.fromkeys(e.processor or UNKNOWN for e in run.evaluations.values())
    return " and ".join(used)


def _clips(evaluation: ActionEvaluation) -> tuple[str | None, frozenset[str]]:
    return evaluation.identity, frozenset(evaluation.clips)


def result_rows(runs: Sequence[ActionRun]) -> list[ActionRow]:
    """One row for each protocol and method."""
    protocols = list(dict.fromkeys(name for run in runs for name in run.evaluations))
    methods = list(dict.fromkeys(run.label for run in runs))
    return [_row(runs, method, methods, protocol) for protocol in protocols for method in methods]


def _row(
    runs: Sequence[ActionRun], method: str, methods: Sequence[str], protocol: str
) -> ActionRow:
    of_method = [run for run in runs if run.label == method]
    own = [run.evaluations[protocol] for run in of_method]
    values = {name: [100 * e.metrics[name] for e in own] for name in own[0].metrics}
    against = _opponent(method, methods)
    baseline = [run.evaluations[protocol] for run in runs if run.label == against]
    metric = own_metric(of_method[0].config.data)
    return ActionRow(
        method,
        protocol,
        tuple(e.seed for e in own),
        {name: mean(of_runs) for name, of_runs in values.items()},
        {name: std(of_runs) for name, of_runs in values.items()},
        gain(baseline, own, metric),
        len(own[0].recall),
        modality(of_method[0].config),
        metric,
    )


def _opponent(label: str, labels: Sequence[str]) -> str | None:
    """The baseline of the same variant where there is one, else the plain one."""
    method, comma, variant = label.partition(", ")
    same = BASELINE + comma + variant
    if method != BASELINE and same in labels:
        return same
    return baseline_of(label, labels, BASELINE)


def table(rows: Sequence[ActionRow], controls: Sequence[Control] = ()) -> list[list[str]]:
    """The header and lines as text: under each protocol the methods, chance, and the controls."""
    names = [name for name in TITLES if all(name in row.mean for row in rows)]
    columns = [with_arrow(name, TITLES[name]) for name in names]
    lines = [["protocol", "method", "at inference", *columns, "seeds", "against baseline"]]
    for i, row in enumerate(rows):
        cells = [format_spread(row.mean[name], row.std[name], digits=1) for name in names]
        difference = NO_VALUE if row.gain is None else str(row.gain)
        line = [row.protocol, row.method, row.sees, *cells, str(len(row.seeds)), difference]
        lines.append(line)
        if i + 1 == len(rows) or rows[i + 1].protocol != row.protocol:
            random = [format_spread(chance(name, row.classes), digits=1) for name in names]
            below = [[row.protocol, RANDOM_LABEL, "", *random]]
            below += control_lines(controls, row.protocol, names)
            lines += [[*line, "", ""] for line in below]
    return lines


def chance(metric: str, classes: int) -> float:
    """Accuracy in percent of guessing among classes that are equally likely."""
    return 100 * min(1.0, (5 if metric == "top5" else 1) / classes)


def setting(runs: Sequence[ActionRun]) -> str:
    """Size and duration of the runs as a sentence."""
    backbones = [run.config.backbone for run in runs]
    clips = {name: len(e.clips) for name, e in runs[0].evaluations.items()}
    first = next(iter(runs[0].evaluations.values()))
    epochs = count((int(run.history[-1]["epoch"]) for run in runs), "epoch")
    titles = dict.fromkeys(architecture(run.config.model).title for run in runs)
    sizes = dict.fromkeys(run.config.backbone.image_size for run in runs if run.config.sees_clips)
    pixels = f", {span(sizes)} pixels" if sizes else ""
    depths, widths = count((b.depth for b in backbones), "block"), span(b.dim for b in backbones)
    blocks = f", {depths} of width {widths}" * any(run.config.is_transformer for run in runs)
    return (
        f"{', '.join(titles)}{blocks}{pixels}, trained on {runs[0].config.data}, "
        f"{first.trained_on}, for {epochs}; test clips: "
        f"{', '.join(f'{name} {number}' for name, number in clips.items())}, "
        f"samples of each: {first.num_clips} ({first.ensemble}); "
        f"{between([run.minutes for run in runs])} minutes for each run"
    )


def notes(runs: Sequence[ActionRun], controls: Sequence[Control] = ()) -> list[str]:
    """How to read the table, after what variants are and which rows have no baseline."""
    variants = [f"{label}: {options}." for label, options in variant_options(runs).items()]
    alone = not_compared([run.label for run in runs], BASELINE, "action.evaluate")
    return [*variants, *alone, NOTE, *([CONTROLS_NOTE] if controls else [])]


def write_results(out: Path, runs: Sequence[ActionRun], controls: Sequence[Control] = ()) -> None:
    """Writes `table.md`, and `runs.csv` with a row for each run and protocol in full precision."""
    header, *lines = table(result_rows(runs), controls)
    with atomic_path(out / TABLE_NAME) as temporary:
        parts = (f"{setting(runs)}.", markdown(header, lines), *notes(runs, controls))
        temporary.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    names = list(next(iter(runs[0].evaluations.values())).metrics)
    columns = ["method", "seed", "protocol", *names, "clips", "epochs", "minutes"]
    columns += ["processor", "trained_on_processor", "data_identity"]
    write_csv(out / RUNS_NAME, columns, [row for run in runs for row in _csv_rows(run, names)])


def _csv_rows(run: ActionRun, metrics: Sequence[str]) -> list[list[str | float]]:
    epochs = int(run.history[-1]["epoch"])
    return [
        [
            *(run.label, run.config.seed, protocol),
            *(evaluation.metrics[name] for name in metrics),
            *(len(evaluation.clips), epochs, run.minutes),
            *(evaluation.processor, "; ".join(evaluation.processors), evaluation.identity or ""),
        ]
        for protocol, evaluation in run.evaluations.items()
    ]
