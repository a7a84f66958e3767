"""Comparisons under several protocols, each with runs of its own, and the table of all of them.

    <out>/<protocol>/<method>_seed<seed>/    a comparison as under one protocol
    <out>/protocols.md, protocols.csv        each protocol, and the mean over them

N-UCLA's CV is published as the mean over CV1, CV2 and CV3, which have other training clips each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from action.comparing.grid import ActionGridConfig, tested_protocols
from action.evaluation import own_metric
from action.inputs.clips import format_name, open_data
from action.results import TITLES, ActionRun, chance
from align.engine.csv_files import write_csv
from align.results.chance import RANDOM_LABEL
from align.results.statistics import mean, std
from align.results.text import ARROWS, NO_VALUE, format_spread, markdown, spread
from datasets.bounds import require_distinct
from datasets.clips.base import ClipInfo
from datasets.clips.sets import PROTOCOL_MEANS, protocol_parts
from datasets.errors import OptionError
from datasets.storage.atomic import atomic_path

TABLE_NAME, CSV_NAME = "protocols.md", "protocols.csv"
# Method to protocol, or to the name of a mean over protocols, to seed to a value in percent.
Values = dict[str, dict[str, dict[int, float]]]


@dataclass(frozen=True)
class Group:
    """Runs that stand in one table.

    Attributes:
        config: Options that they share, with their folder as `out`.
        tested: Protocols whose test clips they are measured on.
    """

    config: ActionGridConfig
    tested: tuple[str, ...]


def groups_of(
    config: ActionGridConfig, protocols: Sequence[str], test: Sequence[str]
) -> list[Group]:
    """The runs of a comparison: one group, or one for each protocol with training clips of its own.

    Args:
        config: Options that all runs share.
        protocols: Protocols to train for, each measured on its own test clips; a published mean
            stands for its parts. Without any, that of `config`.
        test: Protocols whose test clips to measure on; by default the one trained with.

    Raises:
        DataError: When the data set cannot be opened.
        OptionError: When other options name protocols too, or two protocols have the same training
            clips.
        UnknownNameError: An unknown protocol.
    """
    require_distinct("--protocols", protocols)
    if not protocols:
        return [Group(config, tested_protocols(config, test))]
    if test or config.protocol is not None:
        raise OptionError(
            "--protocols trains for each protocol and measures on its own test clips: leave out "
            "--protocol and --test, or leave out --protocols to measure one training on several."
        )
    fmt = format_name(config)
    parts = dict.fromkeys(part for name in protocols for part in protocol_parts(fmt, name))
    groups: list[Group] = []
    # Training clips to the protocols that learn from them.
    learned: dict[tuple[ClipInfo, ...], list[str]] = {}
    for part in parts:
        # Only a split by subjects takes them.
        subjects = config.test_subjects if part == "CS" else None
        own = replace(config, protocol=part, test_subjects=subjects, out=config.out / part)
        data = open_data(own)
        learned.setdefault(data.parts["train"], []).append(part)
        groups.append(Group(own, (data.protocol,)))
    for alike in learned.values():
        if len(alike) > 1:
            raise OptionError(
                f"{', '.join(alike)} have the same training clips, so one training is enough: "
                f"--protocol {alike[0]} --test {' '.join(alike)} measures it on all of them."
            )
    return groups


def means_of(format: str, protocols: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Name of each mean to its protocols: the published ones, else that over all of several."""
    published = PROTOCOL_MEANS.get(format, {})
    found = {name: parts for name, parts in published.items() if set(parts) <= set(protocols)}
    return found or ({"mean": tuple(protocols)} if len(protocols) > 1 else {})


def accuracies(
    runs: Mapping[str, Sequence[ActionRun]], means: Mapping[str, Sequence[str]], metric: str
) -> Values:
    """The metric of each run, and its means over protocols for the seeds that all parts have.

    Args:
        runs: Protocol to its runs.
        means: Name of each mean to its protocols.
        metric: Name of the metric.
    """
    values: Values = {}
    for protocol, own in runs.items():
        for run in own:
            found = values.setdefault(run.label, {}).setdefault(protocol, {})
            found[run.config.seed] = 100 * run.evaluations[protocol].metrics[metric]
    for of_method in values.values():
        for name, parts in means.items():
            known = [of_method.get(part, {}) for part in parts]
            seeds = sorted(set.intersection(*map(set, known)))
            of_method[name] = {seed: mean(part[seed] for part in known) for seed in seeds}
    return values


def write_protocols(out: Path, runs: Mapping[str, Sequence[ActionRun]], format: str) -> Path:
    """Writes `protocols.md` and `protocols.csv`, and returns the path of the first.

    Args:
        out: The folder to write into.
        runs: Protocol to its measured runs, at least one run in all.
        format: Format of the clips, whose own metric the table shows.
    """
    means, metric = means_of(format, list(runs)), own_metric(format)
    values = accuracies(runs, means, metric)
    columns = [*runs, *means]
    rows = [
        [method, name, metric, mean(found), std(found), len(found)]
        for method, of_method in values.items()
        for name in columns
        if (found := list(of_method.get(name, {}).values()))
    ]
    write_csv(out / CSV_NAME, ["method", "protocol", "metric", "mean", "std", "seeds"], rows)
    path = out / TABLE_NAME
    with atomic_path(path) as temporary:
        temporary.write_text(as_markdown(values, runs, means, metric) + "\n", encoding="utf-8")
    return path


def as_markdown(
    values: Values,
    runs: Mapping[str, Sequence[ActionRun]],
    means: Mapping[str, Sequence[str]],
    metric: str,
) -> str:
    """A row for each method and a column for each protocol and mean, with chance and a note."""
    lines = [
        [method, *(spread(list(of.get(name, {}).values()), digits=1) for name in (*runs, *means))]
        for method, of in values.items()
    ]
    random = {name: _chance(own, name, metric) for name, own in runs.items()}
    random |= {name: mean(random[part] for part in parts) for name, parts in means.items()}
    lines.append([RANDOM_LABEL, *(format_spread(v, digits=1) for v in random.values())])
    said = "; ".join(f"{name}: over {', '.join(parts)}" for name, parts in means.items())
    note = (
        f"{TITLES[metric]} ↑ in percent, mean ± sample standard deviation over seeds; with one "
        f"seed the mean alone. {ARROWS} Each protocol has models of its own. "
        f"{f'Means of the seeds that all parts have: {said}. ' if said else ''}"
        f"A dash ({NO_VALUE}): no run yet."
    )
    return f"{markdown(['method', *runs, *means], lines)}\n\n{note}"


def _chance(runs: Sequence[ActionRun], protocol: str, metric: str) -> float:
    return mean(chance(metric, len(run.evaluations[protocol].recall)) for run in runs[:1])
