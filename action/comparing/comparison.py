"""A comparison of recognisers: its runs, and the tables and pages that are written about them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from action.comparing.controls import Control, find_controls
from action.comparing.pretraining_results import write_pretraining
from action.comparing.protocols import TABLE_NAME, Group, write_protocols
from action.config import ActionConfig, ActionMethod, Ensemble
from action.inputs.clips import format_name
from action.report import write_report
from action.results import ActionRun, measured_runs, result_rows, table, write_results
from align.engine.run_folder import REPORT_NAME, RunFolder
from align.results.text import markdown

logger = logging.getLogger(__name__)

# Folder of some runs to the controls that stand beside them.
Controls = Mapping[Path, Sequence[Control]]


@dataclass(frozen=True)
class Comparison:
    """Runs of several methods and seeds, under one protocol or several.

    Attributes:
        out: Folder of all runs.
        groups: The runs that stand in one table each; one group, or one for each protocol.
        num_clips: Samples of each test clip.
        ensemble: How the scores of the samples are combined.
    """

    out: Path
    groups: Sequence[Group]
    num_clips: int
    ensemble: Ensemble

    @property
    def tested(self) -> tuple[str, ...]:
        """Protocols that every run is measured on; none where each is measured on its own."""
        return self.groups[0].tested if len(self.groups) == 1 else ()

    def plan(
        self, methods: Sequence[ActionMethod], seeds: Sequence[int], variant: str = ""
    ) -> list[ActionConfig]:
        """One configuration for each run, with one seed of everything before any second seed."""
        return [
            config
            for seed in seeds
            for group in self.groups
            for config in group.config.plan(methods, (seed,), variant)
        ]

    def controls(self) -> dict[Path, list[Control]]:
        """The controls of each group, by its folder.

        Raises:
            DataError: When too many clips cannot be used.
        """
        return {g.config.out: find_controls(g.config, g.tested, g.config.out) for g in self.groups}

    def tabulate(self, controls: Controls) -> list[list[ActionRun]]:
        """Writes the tables of the runs that have been measured so far; these, by group.

        Args:
            controls: Controls of each group, by its folder.
        """
        measured = [self._measured(group) for group in self.groups]
        for group, runs in zip(self.groups, measured, strict=True):
            if runs:
                write_results(group.config.out, runs, controls.get(group.config.out, ()))
        if self.table_of_all is not None and any(measured):
            own = {g.tested[0]: runs for g, runs in zip(self.groups, measured, strict=True)}
            write_protocols(self.out, own, format_name(self.groups[0].config))
        return measured

    @property
    def table_of_all(self) -> Path | None:
        """The table over all protocols, where there are several groups."""
        return self.out / TABLE_NAME if len(self.groups) > 1 else None

    def finish(self, controls: Controls, pretrained: bool) -> None:
        """Prints the tables, writes the reports, and names the runs that are in none of them.

        Args:
            controls: Controls of each group, by its folder.
            pretrained: Whether the table and the figure of pre-training are wanted too.
        """
        measured = self.tabulate(controls)
        for group, runs in zip(self.groups, measured, strict=True):
            if runs:
                _publish(group.config.out, runs, controls.get(group.config.out, ()), pretrained)
            _name_others(group.config.out, runs)
        if self.table_of_all is not None and any(measured):
            print(self.table_of_all.read_text(encoding="utf-8"))
            print(f"table: {self.table_of_all}")

    def _measured(self, group: Group) -> list[ActionRun]:
        return measured_runs(group.config.out, group.tested, self.num_clips, self.ensemble)


def _publish(
    out: Path, runs: Sequence[ActionRun], controls: Sequence[Control], pretrained: bool
) -> None:
    header, *lines = table(result_rows(runs), controls)
    print(markdown(header, lines))
    print(f"report: {write_report(runs, out / REPORT_NAME, controls)}")
    if pretrained:
        print(f"pre-training: {', '.join(map(str, write_pretraining(out, runs)))}")


def _name_others(out: Path, runs: Sequence[ActionRun]) -> None:
    folders = {run.path for run in RunFolder.all_in(out)}
    if others := sorted(folders - {run.folder for run in runs}):
        logger.warning(
            "not in the table: %s. Where an earlier command measured a run in another way, name "
            "its method and seed as well.",
            ", ".join(map(str, others)),
        )
