"""Labels of runs in a table: the method, its variant, and the options in which runs differ.

Runs that differ only in seed and folder share a label, and are averaged. All others have labels of
their own, so that no mean is over runs of several kinds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Protocol

from align.engine.run_folder import run_name
from datasets.errors import OptionError

# Options that may differ between the runs of one row of a table. Wherever the data of two runs lie,
# their evaluations say whether they are the same.
_OF_ONE_RUN = {"method", "seed", "data", "root", "out", "workers"}


class LabelledConfig(Protocol):
    """The options of a run that a label is made of."""

    @property
    def method(self) -> str: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def out(self) -> Path | None: ...  # noqa: D102


class LabelledRun(Protocol):
    """A run with its label."""

    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def config(self) -> LabelledConfig: ...  # noqa: D102


def variant_suffix(variant: str) -> str:
    """The suffix that a variant adds to a method's name in a run's folder: `_wide`, or nothing.

    Raises:
        OptionError: When it has other characters than letters, digits, dots, dashes and
            underscores.
    """
    if variant and not re.fullmatch(r"[\w.-]+", variant):
        raise OptionError(f"--variant becomes part of a folder's name, so it cannot be {variant!r}")
    return f"_{variant}" if variant else ""


def variant_of(config: LabelledConfig) -> str:
    """The variant in the name of a run's folder: `wide` in `runs/paab_wide_seed1`.

    Empty for plain runs, and for folders that do not follow this pattern.
    """
    if config.out is None:
        return ""
    before, after = run_name(f"{config.method}_*", config.seed).split("*")
    name = config.out.name
    if not (name.startswith(before) and name.endswith(after)):
        return ""
    return name[len(before) : -len(after)]


def label_runs(configs: Sequence[LabelledConfig]) -> list[str]:
    """Labels each run with its method, its variant in a grid, and the options that differ in these.

    Runs that differ only in seed and folder share a label.
    """
    options = [_of_any_seed(config) for config in configs]
    names = [", ".join(filter(None, [c.method, variant_of(c)])) for c in configs]
    labels = []
    for name, own in zip(names, options, strict=True):
        peers = [o for n, o in zip(names, options, strict=True) if n == name]
        varying = sorted(differing_options(peers) - _OF_ONE_RUN)
        labels.append(", ".join([name, *(_named_option(option, own) for option in varying)]))
    return labels


def variant_options(runs: Sequence[LabelledRun]) -> dict[str, str]:
    """Label of every variant of a grid to the options in which it differs from all plain runs.

    Options that a variant shares with some plain run, such as its number of epochs, are left out.
    """
    plain = [_of_any_seed(run.config) for run in runs if not variant_of(run.config)]
    variants = {run.label: _of_any_seed(run.config) for run in runs if variant_of(run.config)}
    found = {}
    for label, own in variants.items():
        names = sorted(own.keys() - _OF_ONE_RUN)
        special = [name for name in names if all(o[name] != own[name] for o in plain)]
        if plain and special:
            found[label] = ", ".join(_named_option(name, own) for name in special)
    return found


def options_that_differ(configs: Sequence[LabelledConfig]) -> list[str]:
    """Options other than method, seed and folders in which runs differ."""
    return sorted(differing_options([_of_any_seed(config) for config in configs]) - _OF_ONE_RUN)


def differing_options(options: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names of the options that are not the same in all of these."""
    return {name for name in options[0] if any(o[name] != options[0][name] for o in options)}


def each_option(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every option of a dataclass with its name, `paab.positions`."""
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value):
            yield from each_option(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, value


def _of_any_seed(config: LabelledConfig) -> dict[str, Any]:
    """The options of a run, but for the seed in the name of the run that it starts from."""
    options = dict(each_option(config))
    if (start := options.get("init")) is not None:
        options["init"] = re.sub(rf"_seed{config.seed}(?=/|$)", "_seed*", str(start))
    return options


def _named_option(name: str, options: Mapping[str, Any]) -> str:
    # `paab, positions 1` says as much as `paab, paab.positions 1`.
    return f"{name.removeprefix(options['method'] + '.')} {_text(options[name])}"


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
