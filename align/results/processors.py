"""Which runs may be compared: those that one processor trained and measured."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

_ON = ", on "
UNKNOWN = "an unknown processor"
# Earlier versions stored `cpu, fp32` for every processor that is no GPU.
_NAMELESS = "cpu, "


@dataclass(frozen=True)
class Ran:
    """Where a run was trained and measured.

    Attributes:
        run: The run's folder.
        trained: The processors that trained it, with their number formats; empty where the run
            does not say, as those of earlier versions.
        measured: The processor and number format that measured it; empty where it is not known.
    """

    run: Path
    trained: tuple[str, ...]
    measured: str

    def __str__(self) -> str:
        """All its processors."""
        return ", ".join(dict.fromkeys((*self.trained, self.measured or "unknown")))


def common_seeds(ours: Mapping[int, Ran], theirs: Mapping[int, Ran]) -> list[int]:
    """The seeds of two methods whose two runs were trained and measured on the same processors.

    Args:
        ours: Seed to the run of one method.
        theirs: Seed to the run of the other method.
    """
    return [s for s in sorted(ours.keys() & theirs.keys()) if _alike(ours[s], theirs[s])]


def _alike(ours: Ran, theirs: Ran) -> bool:
    known = (ours.trained, theirs.trained) if ours.trained and theirs.trained else ()
    same = ours.measured == theirs.measured and len({*known}) < 2
    if not same:
        log.warning(
            "not compared: %s (%s) and %s (%s) ran on other processors or in other precisions, "
            "which changes an error by as much as a method does.",
            ours.run,
            ours,
            theirs.run,
            theirs,
        )
    return same


def on(label: str, processor: str) -> str:
    """`deit, on AMD EPYC 9B14, fp32`: the row of a method in a table of several processors."""
    return f"{label}{_ON}{processor or UNKNOWN}"


def without_processor(label: str) -> str:
    """The method of a row, with its options."""
    return label.partition(_ON)[0]


def baseline_of(label: str, labels: Collection[str], baseline: str) -> str | None:
    """The row with which a row is compared: the baseline on the same processor.

    Args:
        label: The row's label.
        labels: Those of all rows of the table.
        baseline: The baseline's name.

    Returns:
        The label of that row; None where there is none, and for the baseline itself.
    """
    own = baseline + label.removeprefix(without_processor(label))
    return own if own in labels and own != label else None


def not_compared(labels: Collection[str], baseline: str, command: str) -> list[str]:
    """Why rows have no baseline, in a table of several processors: a sentence for each.

    Args:
        labels: The labels of all rows.
        baseline: The baseline's name.
        command: The module that measures runs.
    """
    return [
        f"Not compared with {baseline}: {label}, since {_why_alone(label, baseline, command)}."
        for label in dict.fromkeys(labels)
        if without_processor(label) not in (baseline, label)
        and baseline_of(label, labels, baseline) is None
    ]


def _why_alone(label: str, baseline: str, command: str) -> str:
    processor = label.removeprefix(without_processor(label)).removeprefix(_ON)
    if processor.startswith(_NAMELESS) or processor == UNKNOWN:
        return (
            "an earlier version measured it, which stored no name of the processor. Measure it "
            f"again with `python -m {command}`"
        )
    return f"no run of {baseline} was measured on {processor}"
